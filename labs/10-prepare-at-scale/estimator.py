"""The library that the exam names, unmodified: XGBoostSageMakerEstimator trains, hosts and predicts from Spark.

    $ pip install "pyspark==3.3.0" "numpy<2" "sagemaker_pyspark==1.4.5"
    $ python estimator.py --role arn:aws:iam::123456789012:role/SageMakerLabRole

It wants Spark 3.3 and a Java of 8, 11 or 17, so it has an environment of its own. On AWS it runs as it stands. A
local cloud is asked by TLS (`eval "$(sagelab env --tls)"`): AWS's SDK for Java 1 knows no AWS_ENDPOINT_URL, but a
file of regions, and what it trusts is a file of Java's.

Out   five parcels with their features, whether they were late, and the endpoint's prediction; nothing runs then
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import sagemaker_pyspark
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from sagemaker_pyspark import IAMRole, SageMakerResourceCleanup
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator

SERVICES = ("s3", "sts", "api.sagemaker", "runtime.sagemaker")
ENDPOINT = (
    "<Endpoint><ServiceName>{}</ServiceName><Http>true</Http><Https>true</Https><Hostname>{}</Hostname></Endpoint>"
)

parser = argparse.ArgumentParser()
parser.add_argument("--role", required=True)
parser.add_argument("--rows", type=int, default=2000)
args = parser.parse_args()


def region(name, place):
    """A region of which every service is at one place."""
    services = "".join(ENDPOINT.format(service, place) for service in SERVICES)
    return f"<Region><Name>{name}</Name><Domain>{place}</Domain>{services}</Region>"


def local_options(url, authority, folder):
    """What the driver's Java is told where AWS is a local cloud. url: by TLS. authority: whom to trust, in PEM."""
    names = (os.environ["AWS_REGION"], "aws-global", "us-east-1-regional")
    regions, trusted = folder / "regions.xml", folder / "trusted.p12"
    places = "".join(region(name, urlsplit(url).netloc) for name in names)
    regions.write_text(f"<XML><Regions>{places}</Regions></XML>")
    given = ["-file", authority, "-keystore", str(trusted), "-storetype", "PKCS12", "-storepass", "changeit"]
    subprocess.run(["keytool", "-importcert", "-noprompt", *given], check=True, capture_output=True)
    options = {
        "com.amazonaws.regions.RegionUtils.fileOverride": regions,
        "javax.net.ssl.trustStore": trusted,
        "javax.net.ssl.trustStorePassword": "changeit",
    }
    return [f"-D{name}={value}" for name, value in options.items()]


options = [f"-Daws.region={os.environ['AWS_REGION']}"]
jars = Path(sagemaker_pyspark.__file__).with_name("jars").glob("*.jar")
settings = {"spark.ui.enabled": "false", "spark.driver.extraClassPath": ":".join(map(str, jars))}
url = os.environ.get("AWS_ENDPOINT_URL")
if url:
    folder = Path(tempfile.mkdtemp())
    (folder / "nothing").touch()  # /dev/null is no file of settings for this SDK
    os.environ |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(folder / "nothing"))
    options += local_options(url, os.environ["AWS_CA_BUNDLE"], folder)
    settings |= {"spark.hadoop.fs.s3a.endpoint": url, "spark.hadoop.fs.s3a.path.style.access": "true"}
builder = SparkSession.builder.master("local[2]").config("spark.driver.extraJavaOptions", " ".join(options))
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()

# Rows that Spark makes itself: its Python workers of 2022 do not run on a Python of today.
columns = ["rand(1) * 900 as kilometres", "cast(floor(rand(2) * 7) as double) as weekday"]
parcels = spark.range(args.rows).selectExpr("id", *columns)
parcels = parcels.selectExpr("*", "cast(kilometres + 300 * int(weekday = 4) > 700 as double) as label")
features = VectorAssembler(inputCols=["kilometres", "weekday"], outputCol="features")
prepared = features.transform(parcels).select("label", "features")

estimator = XGBoostSageMakerEstimator(
    sagemakerRole=IAMRole(args.role),
    trainingInstanceType="ml.m5.large",
    trainingInstanceCount=1,
    endpointInstanceType="ml.m5.large",
    endpointInitialInstanceCount=1,
)
estimator.setObjective("binary:logistic")
estimator.setNumRound(20)
model = estimator.fit(prepared)
try:
    predicted = model.transform(prepared.limit(200))
    predicted.show(5, truncate=False)
    right = predicted.where("(prediction > 0.5) = (label > 0.5)").count()
    print(f"{right} of 200 right")
finally:
    SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
