"""Spark's processor in SDK v3's words, on two hosts; words.py and tidying.py lie in code/."""

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.s3 import S3Uploader
from sagemaker.core.spark.processing import PySparkProcessor

session = Session()
role, bucket = get_execution_role(session), session.default_bucket()
text = f"s3://{bucket}/spark-v3/in"
S3Uploader.upload_string_as_file_body("To be, or not to be", f"{text}/line.txt")
memory = {"spark.driver.memory": "600m", "spark.executor.memory": "512m"}
processor = PySparkProcessor(
    framework_version="3.5",
    role=role,
    instance_count=2,
    instance_type="ml.m5.large",
    max_runtime_in_seconds=1200,
)
processor.run(
    submit_app="code/words.py",
    submit_py_files=["code/tidying.py"],
    arguments=[text, f"s3://{bucket}/spark-v3/out"],
    configuration=[{"Classification": "spark-defaults", "Properties": memory}],
)
