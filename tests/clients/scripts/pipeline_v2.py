"""A pipeline in SDK v2's words: prepare, train, evaluate, register what is good enough; code/ lies beside it."""

# %% The parts
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

session = PipelineSession()
role = sagemaker.get_execution_role()
table = sagemaker.Session().upload_data("rows.csv", key_prefix="pipeline-v2/in")
data = ParameterString("InputData", default_value=table)
count = ParameterInteger("InstanceCount", default_value=1)
most = ParameterFloat("MostError", default_value=100.0)
cache = CacheConfig(enable_caching=True, expire_after="P1D")

# %% The steps
processor = SKLearnProcessor(
    framework_version="1.2-1",
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=count,
    sagemaker_session=session,
)
prepare = ProcessingStep(
    "Prepare",
    step_args=processor.run(
        code="code/split.py",
        inputs=[ProcessingInput(source=data, destination="/opt/ml/processing/input")],
        outputs=[
            ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
            ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
        ],
        arguments=["--test-share", "0.25"],
    ),
    cache_config=cache,
)
outputs = prepare.properties.ProcessingOutputConfig.Outputs
estimator = SKLearn(
    entry_point="code/weigh.py",
    framework_version="1.2-1",
    role=role,
    instance_type="ml.m5.xlarge",
    sagemaker_session=session,
)
train = TrainingStep(
    "Train", step_args=estimator.fit({"train": TrainingInput(outputs["train"].S3Output.S3Uri)}), cache_config=cache
)
artifact = train.properties.ModelArtifacts.S3ModelArtifacts
judge = ScriptProcessor(
    command=["python3"],
    image_uri=processor.image_uri,
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    sagemaker_session=session,
)
report = PropertyFile("EvaluationReport", output_name="evaluation", path="evaluation.json")
evaluate = ProcessingStep(
    "Evaluate",
    step_args=judge.run(
        code="code/judge.py",
        inputs=[
            ProcessingInput(source=artifact, destination="/opt/ml/processing/model"),
            ProcessingInput(source=outputs["test"].S3Output.S3Uri, destination="/opt/ml/processing/test"),
        ],
        outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
    ),
    property_files=[report],
)
model = SKLearnModel(
    model_data=artifact,
    role=role,
    entry_point="code/greet.py",
    framework_version="1.2-1",
    sagemaker_session=session,
)
measured = Join(
    on="/",
    values=[
        evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri,
        "evaluation.json",
    ],
)
register = ModelStep(
    "Register",
    step_args=model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="PipelineV2",
        approval_status="PendingManualApproval",
        model_metrics=ModelMetrics(
            model_statistics=MetricsSource(s3_uri=measured, content_type="application/json")
        ),
    ),
)
fail = FailStep("TooFar", error_message=Join(on=" ", values=["error over", most]))
error = JsonGet(step_name=evaluate.name, property_file=report, json_path="regression_metrics.mae.value")
check = ConditionStep(
    "Check",
    conditions=[ConditionLessThanOrEqualTo(left=error, right=most)],
    if_steps=[register],
    else_steps=[fail],
)

# %% The pipeline, run twice
pipeline = Pipeline(
    "pipeline-v2",
    parameters=[data, count, most],
    steps=[prepare, train, evaluate, check],
    sagemaker_session=session,
)
pipeline.upsert(role_arn=role)
pipeline.upsert(role_arn=role, description="updated")
execution = pipeline.start()
execution.wait(delay=1, max_attempts=300)
print("status", execution.describe()["PipelineExecutionStatus"])
for step in sorted(execution.list_steps(), key=lambda step: step["StartTime"]):
    print("step", step["StepName"], step["StepStatus"], next(iter(step["Metadata"])))

second = pipeline.start(parameters={"MostError": 0.0})
try:
    second.wait(delay=1, max_attempts=300)
except Exception as failed:
    print("second", type(failed).__name__)
for step in second.list_steps():
    print("again", step["StepName"], step["StepStatus"], "cached" if "CacheHitResult" in step else "ran")
pipeline.delete()
