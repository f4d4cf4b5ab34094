"""A pipeline in SDK v3's words: @step functions, a processor and a condition; code/ and rows.csv lie beside it."""

# %% The parts
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.core.workflow.conditions import ConditionGreaterThan
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterInteger
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.function_step import step
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep

session = PipelineSession()
role, bucket, region = get_execution_role(session), session.default_bucket(), session.boto_region_name
table = Session().upload_data("rows.csv", key_prefix="pipeline-v3/in")
image = image_uris.retrieve(
    "tensorflow", region, version="2.19", image_scope="training", instance_type="ml.m5.large"
)
sklearn = image_uris.retrieve("sklearn", region, version="1.2-1", instance_type="ml.m5.xlarge")
count = ParameterInteger(name="Count", default_value=4)

# %% The steps
processor = ScriptProcessor(
    image_uri=sklearn,
    command=["python3"],
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    sagemaker_session=session,
)
split = ProcessingStep(
    name="Split",
    step_args=processor.run(
        code="code/split.py",
        inputs=[
            ProcessingInput(
                input_name="rows",
                s3_input=ProcessingS3Input(
                    s3_uri=table,
                    local_path="/opt/ml/processing/input",
                    s3_data_type="S3Prefix",
                    s3_input_mode="File",
                ),
            )
        ],
        outputs=[
            ProcessingOutput(
                output_name=name,
                s3_output=ProcessingS3Output(
                    s3_uri=f"s3://{bucket}/pipeline-v3/{name}",
                    local_path=f"/opt/ml/processing/{name}",
                    s3_upload_mode="EndOfJob",
                ),
            )
            for name in ("train", "test")
        ],
        arguments=["--test-share", "0.25"],
    ),
)


@step(name="Numbers", image_uri=image, instance_type="ml.m5.large")  # type: ignore[untyped-decorator]
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(name="Total", image_uri=image, instance_type="ml.m5.large")  # type: ignore[untyped-decorator]
def total(given: list[int]) -> int:
    return sum(given)


summed = total(numbers(count))
check = ConditionStep(
    name="Check",
    conditions=[ConditionGreaterThan(left=summed, right=100)],
    if_steps=[],
    else_steps=[FailStep(name="TooFew", error_message=Join(on=" ", values=["only", count, "numbers"]))],
)

# %% The pipeline
pipeline = Pipeline(name="pipeline-v3", parameters=[count], steps=[split, check], sagemaker_session=session)
pipeline.upsert(role_arn=role)
execution = pipeline.start(parameters={"Count": 5})
try:
    execution.wait(delay=1, max_attempts=300)
except Exception as failed:
    print("ended", type(failed).__name__)
for each in execution.list_steps():
    print("step", each["StepName"], each["StepStatus"], each.get("FailureReason", ""))
print("total", execution.result("Total"))
pipeline.delete()
