"""Counts the words of a table in S3 with Spark, and writes them as Parquet: words.py INPUT OUTPUT."""

import sys

from pyspark.sql import SparkSession, functions
from tidying import tidy  # comes by submit_py_files

spark = SparkSession.builder.appName("words").getOrCreate()
words = spark.read.text(sys.argv[1]).select(functions.explode(functions.split("value", " ")).alias("word"))
counts = words.groupBy(tidy(functions.col("word")).alias("word")).count()
counts.write.mode("overwrite").parquet(sys.argv[2])
found = spark.read.parquet(sys.argv[2]).orderBy("word").collect()
print("counted", [(row["word"], row["count"]) for row in found])
print("partitions", spark.conf.get("spark.sql.shuffle.partitions"))
