"""SDK v3's processors and its transformer; rows.*, code/ and model.tar.gz lie beside it."""

# %% Split a table
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.resources import Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.transformer import Transformer

session = Session()
role, bucket, region = get_execution_role(session), session.default_bucket(), session.boto_region_name
sklearn = image_uris.retrieve("sklearn", region, version="1.2-1", instance_type="ml.m5.xlarge")
table = session.upload_data("rows.csv", key_prefix="processing-v3/in")
processor = ScriptProcessor(
    image_uri=sklearn, command=["python3"], role=role, instance_type="ml.m5.xlarge", instance_count=1
)
processor.run(
    code="code/split.py",
    inputs=[
        ProcessingInput(
            input_name="rows",
            s3_input=ProcessingS3Input(
                s3_uri=table, local_path="/opt/ml/processing/input", s3_data_type="S3Prefix", s3_input_mode="File"
            ),
        )
    ],
    outputs=[
        ProcessingOutput(
            output_name=name,
            s3_output=ProcessingS3Output(
                s3_uri=f"s3://{bucket}/processing-v3/{name}",
                local_path=f"/opt/ml/processing/{name}",
                s3_upload_mode="EndOfJob",
            ),
        )
        for name in ("train", "test")
    ],
    arguments=["--test-share", "0.25"],
)
print("rows to train with", len(session.read_s3_file(bucket, "processing-v3/train/rows.csv").split()))

# %% A folder of code
framework = FrameworkProcessor(
    image_uri=sklearn, role=role, instance_type="ml.m5.xlarge", instance_count=2, env={"GREETING": "hello"}
)
framework.run(code="greet.py", source_dir="code", arguments=["from", "a", "folder"])

# %% Batch transform
model_data = session.upload_data("model.tar.gz", key_prefix="processing-v3/model")
serving = image_uris.retrieve(
    "tensorflow", region, version="2.19", image_scope="inference", instance_type="ml.m5.large"
)
model = Model.create(
    model_name="processing-v3",
    primary_container=ContainerDefinition(image=serving, model_data_url=model_data),
    execution_role_arn=role,
)
transformer = Transformer(
    model_name="processing-v3",
    instance_count=1,
    instance_type="ml.m5.large",
    strategy="SingleRecord",
    assemble_with="Line",
    output_path=f"s3://{bucket}/processing-v3/out",
    max_concurrent_transforms=2,
    max_payload=1,
)
lines = session.upload_data("rows.jsonl", key_prefix="processing-v3/batch")
transformer.transform(lines, content_type="application/jsonlines", split_type="Line")
print("answers", session.read_s3_file(bucket, "processing-v3/out/rows.jsonl.out").count("predictions"))
model.delete()
