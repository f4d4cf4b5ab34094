"""Processing jobs and batch transform in SDK v2's words; a model.tar.gz and code/ lie beside it."""

# %% Split a table with scikit-learn's processor
import sagemaker
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.tensorflow import TensorFlowModel

sess = sagemaker.Session()
role = sagemaker.get_execution_role()
table = sess.upload_data("rows.csv", key_prefix="processing-v2/in")

sklearn_processor = SKLearnProcessor(
    framework_version="1.2-1", role=role, instance_type="ml.m5.xlarge", instance_count=1
)
sklearn_processor.run(
    code="code/split.py",
    inputs=[ProcessingInput(source=table, destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
        ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
    ],
    arguments=["--test-share", "0.25"],
)
outputs = sklearn_processor.latest_job.describe()["ProcessingOutputConfig"]["Outputs"]
train = sess.read_s3_file(sess.default_bucket(), outputs[0]["S3Output"]["S3Uri"].split("/", 3)[3] + "/rows.csv")
print("rows to train with", len(train.split()))

# %% Any script in any image
script_processor = ScriptProcessor(
    command=["python3"],
    image_uri=sklearn_processor.image_uri,
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=2,
    env={"GREETING": "hello"},
)
script_processor.run(code="code/greet.py", arguments=["from", "two", "hosts"], logs=True)

# %% A folder of code with its requirements
framework_processor = FrameworkProcessor(
    estimator_cls=SKLearn,
    framework_version="1.2-1",
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=1,
)
framework_processor.run(code="greet.py", source_dir="code", arguments=["from", "a", "folder"], wait=False)
framework_processor.latest_job.wait(logs=True)
print("status", framework_processor.latest_job.describe()["ProcessingJobStatus"])

# %% Batch transform
model_data = sess.upload_data("model.tar.gz", key_prefix="processing-v2/model")
model = TensorFlowModel(model_data=model_data, role=role, framework_version="2.19.0")
transformer = model.transformer(
    instance_count=1, instance_type="ml.m5.large", strategy="MultiRecord", assemble_with="Line", max_payload=1
)
lines = sess.upload_data("rows.jsonl", key_prefix="processing-v2/batch")
transformer.transform(lines, content_type="application/jsonlines", split_type="Line")
answer = sess.read_s3_file(sess.default_bucket(), transformer.output_path.split("/", 3)[3] + "/rows.jsonl.out")
print("answer", answer.replace("\n", ""))
transformer.delete_model()
