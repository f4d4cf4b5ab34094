"""PyTorch and Hugging Face in SDK v2's words, as AWS's own examples have them; models/ lies beside it."""

# %% PyTorch: two hosts train one model by torchrun
import time

import numpy as np
import sagemaker
from sagemaker.huggingface import HuggingFaceModel
from sagemaker.predictor import Predictor
from sagemaker.pytorch import PyTorch, PyTorchModel

sess = sagemaker.Session()
role = sagemaker.get_execution_role()


def ready(predictor: Predictor) -> Predictor:
    """Once its endpoint is in service; the SDK itself looks every half minute."""
    while (
        sess.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)["EndpointStatus"]
        == "Creating"
    ):
        time.sleep(0.2)
    return predictor


estimator = PyTorch(
    entry_point="net.py",
    source_dir="models",
    framework_version="2.1.0",
    py_version="py310",
    role=role,
    instance_count=2,
    instance_type="ml.g4dn.xlarge",
    hyperparameters={"steps": 800},
    distribution={"torch_distributed": {"enabled": True}},
    metric_definitions=[{"Name": "loss", "Regex": r"loss=([0-9\.]+)"}],
)
estimator.fit()
predictor = ready(estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False))
print("estimator", np.round(predictor.predict(np.array([[1.0], [2.0]], dtype=np.float32))).tolist())
predictor.delete_endpoint()

# %% ... and a model of its artifact, with a script of another name
model = PyTorchModel(
    model_data=estimator.model_data,
    role=role,
    entry_point="net.py",
    source_dir="models",
    framework_version="1.13.1",
    py_version="py39",
)
predictor = ready(model.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False))
print("model", np.round(predictor.predict(np.array([[3.0]], dtype=np.float32))).tolist())
predictor.delete_endpoint()

# %% Hugging Face: a model of the Hub is refused in words
hub = HuggingFaceModel(
    env={"HF_MODEL_ID": "distilbert-base-uncased", "HF_TASK": "fill-mask"},
    role=role,
    transformers_version="4.37.0",
    pytorch_version="2.1.0",
    py_version="py310",
)
try:
    hub.deploy(initial_instance_count=1, instance_type="ml.m5.large")
except Exception as error:
    print("hub", "downloads no models from the Hugging Face Hub" in str(error))
