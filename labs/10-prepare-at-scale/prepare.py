"""Clean a table of parcels with Spark, fit feature stages to it, and leave features, and the stages as ONNX.

    $ smspark-submit prepare.py --parcels s3a://bucket/delivered/ --prepared s3a://bucket/prepared/

In    CSV files with a header, as many as there are, of the columns below
Out   <prepared>/train/ and <prepared>/validation/: LibSVM, a row a parcel;
      <prepared>/asked/: 200 parcels of the validation rows as CSV without a header, in the order of the stages'
      inputs, some of them by a carrier that no other row has, and what the stages make of each;
      <folder>/stages/stages.onnx: the fitted stages, which know a parcel as it is asked about
"""

import argparse
import subprocess
import sys
from pathlib import Path

from pyspark.ml import Pipeline
from pyspark.ml.feature import Imputer, OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

TEXTS = ["carrier", "service", "origin", "destination"]
NUMBERS = ["kilometres", "kilograms", "weekday"]
SCHEMA = "parcel long, late double, " + ", ".join(
    [f"{name} string" for name in TEXTS] + [f"{name} double" for name in NUMBERS]
)

parser = argparse.ArgumentParser()
parser.add_argument("--parcels", required=True)
parser.add_argument("--prepared", required=True)
parser.add_argument("--folder", type=Path, default="/opt/ml/processing")
args = parser.parse_args()

spark = SparkSession.builder.appName("prepare").getOrCreate()
delivered = spark.read.csv(args.parcels, header=True, schema=SCHEMA)

# The same parcel may have been reported twice, and a carrier be written in three ways.
parcels = delivered.dropDuplicates(["parcel"]).withColumn("carrier", f.lower(f.trim("carrier")))
parcels = parcels.withColumn("validation", f.pmod(f.xxhash64("parcel"), f.lit(5)) == 0).cache()
print(f"{delivered.count():,} rows delivered, {parcels.count():,} parcels among them")

indexes, codes = [f"{name} index" for name in TEXTS], [f"{name} code" for name in TEXTS]
stages = Pipeline(
    stages=[
        StringIndexer(inputCols=TEXTS, outputCols=indexes, handleInvalid="keep"),
        OneHotEncoder(inputCols=indexes, outputCols=codes, dropLast=False),
        Imputer(inputCols=["kilograms"], outputCols=["kilograms filled"], strategy="median"),
        VectorAssembler(inputCols=[*codes, "kilometres", "kilograms filled", "weekday"], outputCol="features"),
    ]
)
fitted = stages.fit(parcels.where(~f.col("validation")))  # what validates is not learned from
prepared = fitted.transform(parcels)
for name, rows in (("train", ~f.col("validation")), ("validation", f.col("validation"))):
    few = prepared.where(rows).select(f.col("late").alias("label"), "features").coalesce(2)
    few.write.mode("overwrite").format("libsvm").save(f"{args.prepared}{name}/")

few = parcels.where("validation").orderBy("parcel").limit(200)
odd = f.when(f.monotonically_increasing_id() % 20 == 0, "pigeon").otherwise(f.col("carrier"))
told = f.array_join(vector_to_array("features").cast("array<string>"), " ").alias("features")
asked = fitted.transform(few.withColumn("carrier", odd)).select(*TEXTS, *NUMBERS, told)
asked.coalesce(1).write.mode("overwrite").csv(f"{args.prepared}asked/")

# Stages that only Spark can run would need a Spark behind every request; ONNX runs anywhere.
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "onnxmltools"])
from onnx import helper  # noqa: E402
from onnxmltools.convert import convert_sparkml  # noqa: E402
from onnxmltools.convert.common.data_types import FloatTensorType, StringTensorType  # noqa: E402

inputs = [(name, StringTensorType([None, 1])) for name in TEXTS]
inputs += [(name, FloatTensorType([None, 1])) for name in NUMBERS]
converted = convert_sparkml(fitted, "stages", inputs, spark_session=spark)
for node in converted.graph.node:
    if node.op_type == "LabelEncoder":  # the converter forgets what "keep" does with a word that nobody has seen
        known = next(each for each in node.attribute if each.name == "keys_strings").strings
        node.attribute.append(helper.make_attribute("default_int64", len(known)))
out = args.folder / "stages"
out.mkdir(parents=True, exist_ok=True)
(out / "stages.onnx").write_bytes(converted.SerializeToString())
print(f"{len(fitted.stages)} stages as ONNX: {(out / 'stages.onnx').stat().st_size:,} bytes")
