"""The rest of the course in SDK v2's words: tuning, compilation for one instance family, managed spot training."""

# %% The same session, role and data as in the first part
import numpy as np
import sagemaker
from sagemaker.tensorflow import TensorFlow
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

sess = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = sess.default_bucket()
prefix = "keras-mnist-search"
training_input_path = sess.upload_data("data/training.npz", bucket=bucket, key_prefix=prefix + "/training")
validation_input_path = sess.upload_data("data/validation.npz", bucket=bucket, key_prefix=prefix + "/validation")
channels = {"training": training_input_path, "validation": validation_input_path}
common = {
    "entry_point": "mnist-train-cnn.py",
    "role": role,
    "instance_count": 1,
    "instance_type": "ml.p3.2xlarge",
    "framework_version": "2.3.0",
    "py_version": "py37",
    "script_mode": True,
}

# %% Tune
tf_estimator = TensorFlow(**common, hyperparameters={"epochs": 1})
tuner = HyperparameterTuner(
    tf_estimator,
    "val_acc",
    {
        "batch-size": IntegerParameter(32, 128),
        "learning-rate": ContinuousParameter(0.0005, 0.005, scaling_type="Logarithmic"),
    },
    [{"Name": "val_acc", "Regex": r"- val_acc: ([0-9\.]+)"}],
    max_jobs=2,
    max_parallel_jobs=2,
    objective_type="Maximize",
)
tuner.fit(channels)
trials = tuner.analytics().dataframe()
print("trials", len(trials), "best", trials["FinalObjectiveValue"].max() > 0.7)
print("best job", tuner.best_training_job() in set(trials["TrainingJobName"]))

# %% Deploy the best
tf_predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.c5.large")
with np.load("data/validation.npz") as data:
    digits = data["image"][:5].reshape(5, 28, 28, 1) / 255
print("predictions", np.array(tf_predictor.predict({"instances": digits.tolist()})["predictions"]).shape)
tf_predictor.delete_model()
tf_predictor.delete_endpoint()

# %% Compile the best for ml.c5, and deploy that
best = tuner.best_estimator()
output_path = f"s3://{bucket}/{prefix}/compiled"
optimized = best.compile_model(
    target_instance_family="ml_c5",
    input_shape={"image": [1, 28, 28, 1]},
    output_path=output_path,
    framework="tensorflow",
    framework_version="2.9",
)
print("compiled", optimized.model_data.startswith(output_path))
predictor = optimized.deploy(initial_instance_count=1, instance_type="ml.c5.large")
print("compiled predictions", np.array(predictor.predict({"instances": digits[:1].tolist()})["predictions"]).shape)
predictor.delete_model()
predictor.delete_endpoint()

# %% Train on spot instances
spot = TensorFlow(
    **(common | {"entry_point": "code/train_steps.py"}),
    hyperparameters={"steps": 5},
    use_spot_instances=True,
    max_run=600,
    max_wait=1200,
    checkpoint_s3_uri=f"s3://{bucket}/{prefix}/checkpoints",
)
spot.fit({"training": training_input_path})
job = spot.latest_training_job.describe()
print(
    "spot",
    job["TrainingJobStatus"],
    job["EnableManagedSpotTraining"],
    job["StoppingCondition"]["MaxWaitTimeInSeconds"],
)
