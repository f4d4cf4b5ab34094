"""The course's notebook in SDK v2's own words, cell by cell, up to the endpoint's end."""

# %% The session, the role, the data
import numpy as np
import sagemaker
from sagemaker.tensorflow import TensorFlow

sess = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = sess.default_bucket()
prefix = "course-keras-mnist"
print("role", role)

training_input_path = sess.upload_data("data/training.npz", bucket=bucket, key_prefix=prefix + "/training")
validation_input_path = sess.upload_data("data/validation.npz", bucket=bucket, key_prefix=prefix + "/validation")
print("uploaded", training_input_path, validation_input_path)

# %% Train in SageMaker
metric_definitions = [
    {"Name": "loss", "Regex": r"- loss: ([0-9\.]+)"},
    {"Name": "acc", "Regex": r"- acc: ([0-9\.]+)"},
    {"Name": "val_acc", "Regex": r"- val_acc: ([0-9\.]+)"},
]
tf_estimator = TensorFlow(
    entry_point="mnist-train-cnn.py",
    role=role,
    instance_count=1,
    instance_type="ml.p3.2xlarge",
    framework_version="2.3.0",
    py_version="py37",
    script_mode=True,
    hyperparameters={"epochs": 2, "batch-size": 32, "learning-rate": 0.001},
    metric_definitions=metric_definitions,
)
tf_estimator.fit({"training": training_input_path, "validation": validation_input_path}, logs=True)
print("model", tf_estimator.model_data)

# %% Its metrics
metrics = tf_estimator.training_job_analytics.dataframe()
print("metrics", sorted(metrics["metric_name"].unique()), len(metrics))

# %% Deploy
tf_predictor = tf_estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.c5.large",
    accelerator_type="ml.eia1.medium",
    endpoint_name="keras-tf-mnist-v2",
)
print("endpoint", tf_predictor.endpoint_name)

# %% Predict five digits
with np.load("data/validation.npz") as data:
    x_val, y_val = data["image"], data["label"]
indices = np.random.default_rng(1).integers(0, len(x_val), 5)
digits = x_val[indices].reshape(5, 28, 28, 1) / 255
prediction = tf_predictor.predict({"instances": digits.tolist()})["predictions"]
predicted_label = np.array(prediction).argmax(axis=1)
print("read", (predicted_label == y_val[indices]).sum(), "of 5")

# %% Clean up
tf_predictor.delete_model()
tf_predictor.delete_endpoint()
