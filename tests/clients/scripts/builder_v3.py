"""SDK v3's ModelBuilder: build, deploy, invoke. model.tar.gz lies beside it."""

# %% From an archive and an image to an endpoint
import json

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import ServerlessInferenceConfig
from sagemaker.core.resources import EndpointConfig
from sagemaker.serve.model_builder import ModelBuilder

session = Session()
role, region = get_execution_role(session), session.boto_region_name
model_data = session.upload_data("model.tar.gz", key_prefix="builder-v3")
image = image_uris.retrieve(
    "tensorflow", region, version="2.19", image_scope="inference", instance_type="ml.c5.large"
)
builder = ModelBuilder(
    image_uri=image,
    s3_model_data_url=model_data,
    role_arn=role,
    sagemaker_session=session,
    instance_type="ml.c5.large",
)
model = builder.build(model_name="builder-v3")
print("model", model.model_name)
endpoint = builder.deploy(endpoint_name="builder-v3", initial_instance_count=1)
answer = endpoint.invoke(body=json.dumps({"instances": [[1.0, 2.0]]}), content_type="application/json")
body = answer.body
print("answer", json.loads(body.read()) if hasattr(body, "read") else body)
endpoint.delete()
EndpointConfig.get("builder-v3").delete()

# %% ... and to one without instances
plan = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=2)
endpoint = builder.deploy(endpoint_name="builder-v3-serverless", inference_config=plan)
print("plan", endpoint.production_variants[0].current_serverless_config.memory_size_in_mb)
answer = endpoint.invoke(body=json.dumps({"instances": [[2.0, 1.0]]}), content_type="application/json")
print("serverless", json.loads(answer.body.read()))
endpoint.delete()
EndpointConfig.get("builder-v3-serverless").delete()
model.delete()
