"""Amazon's own built-in algorithms by the classes that SDK v2 has for them, which speak RecordIO-protobuf."""

# %% Six estimators, whose jobs run at once
import time

import numpy as np
import sagemaker
from sagemaker import KNN, PCA, FactorizationMachines, KMeans, LinearLearner, RandomCutForest

sess = sagemaker.Session()
rng = np.random.default_rng(0)
rows = rng.normal(size=(400, 3)).astype("float32")
labels = (rows[:, 0] + 2 * rows[:, 1] > 0).astype("float32")
common = {
    "role": sagemaker.get_execution_role(),
    "instance_count": 1,
    "instance_type": "ml.m5.large",
    "sagemaker_session": sess,
}
linear = LinearLearner(predictor_type="binary_classifier", num_models=2, **common)
groups = KMeans(k=4, eval_metrics=["msd"], **common)
axes = PCA(num_components=2, **common)
neighbours = KNN(k=3, sample_size=400, predictor_type="classifier", **common)
forest = RandomCutForest(num_trees=50, num_samples_per_tree=64, **common)
machine = FactorizationMachines(num_factors=2, predictor_type="regressor", epochs=2, **common)
for estimator, size, labelled in (
    (linear, 100, True),
    (groups, 400, False),
    (axes, 400, False),
    (neighbours, 400, True),
    (forest, None, False),
    (machine, 100, True),
):
    records = estimator.record_set(rows, labels if labelled else None)
    estimator.fit(records, mini_batch_size=size, wait=False)

# %% What has become of them
for estimator in (linear, groups, axes, neighbours, forest, machine):
    name = estimator.latest_training_job.name
    while (job := sess.describe_training_job(name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.2)
    print(type(estimator).__name__, job["TrainingJobStatus"], job.get("FailureReason", ""))

# %% Endpoints answer with records
found = []
for estimator in (linear, groups, axes):
    predictor = estimator.deploy(1, "ml.m5.large", wait=False)
    found.append(predictor)
for predictor in found:
    while sess.describe_endpoint(predictor.endpoint_name)["EndpointStatus"] == "Creating":
        time.sleep(0.2)
classes, near, projections = (predictor.predict(rows[:50]) for predictor in found)
told = np.array([record.label["predicted_label"].float32_tensor.values[0] for record in classes])
print("classes", np.mean(told == labels[:50]) > 0.9, sorted(classes[0].label))
print("clusters", {record.label["closest_cluster"].float32_tensor.values[0] for record in near} <= {0, 1, 2, 3})
print("projections", len(projections[0].label["projection"].float32_tensor.values))
for predictor in found:
    predictor.delete_endpoint()
