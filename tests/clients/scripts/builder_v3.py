"""SDK v3's ModelBuilder: build, deploy, invoke; one container, and a row. model.tar.gz and code/ lie beside it."""

# %% From an archive and an image to an endpoint
import json
import tarfile

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import ServerlessInferenceConfig
from sagemaker.core.resources import EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition
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

# %% A row of two models
with tarfile.open("rows.tar.gz", "w:gz") as archive:
    archive.add("code/rows.py")
container = ContainerDefinition(
    image=image_uris.retrieve("sklearn", region, version="1.2-1", instance_type="ml.c5.large"),
    model_data_url=session.upload_data("rows.tar.gz", key_prefix="builder-v3"),
    environment={"SAGEMAKER_PROGRAM": "rows.py"},
)
parts = [
    Model.create(model_name=f"builder-v3-{name}", primary_container=container, execution_role_arn=role)
    for name in ("first", "second")
]
builder = ModelBuilder(model=parts, role_arn=role, sagemaker_session=session, instance_type="ml.c5.large")
model = builder.build(model_name="builder-v3-row")
print("containers", len(model.containers))
endpoint = builder.deploy(endpoint_name="builder-v3-row", initial_instance_count=1)
answer = endpoint.invoke(body="1,2", content_type="text/csv")
body = answer.body
print("row", body.read().decode() if hasattr(body, "read") else body, answer.content_type)
endpoint.delete()
EndpointConfig.get("builder-v3-row").delete()
for part in (model, *parts):
    part.delete()
