"""Spark's processors in SDK v2's words; words.py and tidying.py lie in code/."""

# %% A script, with a module, a configuration and an event log
import tempfile
import zipfile
from pathlib import Path

import sagemaker
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.spark.processing import PySparkProcessor, SparkJarProcessor

sess = sagemaker.Session()
role, bucket = sagemaker.get_execution_role(), sess.default_bucket()
text = f"s3://{bucket}/spark-v2/in"
S3Uploader.upload_string_as_file_body("To be, or not to be", f"{text}/a line.txt")
configuration = [
    {
        "Classification": "spark-defaults",
        "Properties": {"spark.driver.memory": "600m", "spark.sql.shuffle.partitions": "2"},
    }
]
processor = PySparkProcessor(
    framework_version="3.5",
    role=role,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    max_runtime_in_seconds=900,
)
processor.run(
    submit_app="code/words.py",
    submit_py_files=["code/tidying.py"],
    arguments=[f"{text}/a line.txt", f"s3a://{bucket}/spark-v2/out"],
    configuration=configuration,
    spark_event_logs_s3_uri=f"s3://{bucket}/spark-v2/events",
)
print("events", len(S3Downloader.list(f"s3://{bucket}/spark-v2/events")))

# %% A jar without its class
empty = str(Path(tempfile.mkdtemp(), "empty.jar"))
with zipfile.ZipFile(empty, "w") as archive:
    archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
jar = SparkJarProcessor(
    framework_version="3.5",
    role=role,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    max_runtime_in_seconds=900,
)
try:
    jar.run(submit_app=empty, submit_class="a.B", configuration=configuration, logs=False)
except Exception as error:
    print("jar", type(error).__name__)
print("message", jar.latest_job.describe()["ExitMessage"])
