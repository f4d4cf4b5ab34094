"""Learn from a week of clicks what each reader wants next, and publish it: a Spark application, a step of EMR.

    spark-submit recommend.py --clicks s3://.../clicks --until 2026-11-01 --table NAME --notes s3://.../night-1

In    clicks: Parquet with reader, article and topic, partitioned by `day`; days up to --until are read
Out   table: of DynamoDB, an item a reader: {"reader": ..., "articles": [ten, the best first], "notes": ...}
      notes/began/PART/HOST: an empty object for each task of the counting, as soon as it begins
      notes/report.json: what was counted

A day of a large site takes minutes to count and not a blink: --pace has each task take some seconds more.
"""

import argparse
import json
import operator
import socket
import time
from datetime import date
from urllib.parse import urlsplit

import boto3
from pyspark import TaskContext
from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as sql

SCHEMA = "time string, reader string, article string, topic string, day string"
TOP = 10
SETTINGS = {
    "spark.sql.adaptive.enabled": "false",  # it pays for large tables
    "spark.sql.files.maxPartitionBytes": "4m",
    "spark.sql.files.openCostInBytes": "4m",  # so that each file is a task
    "spark.sql.shuffle.partitions": "4",
}


def main():
    asked = parse()
    spark = SparkSession.builder.appName("recommend").config(map=SETTINGS).getOrCreate()
    clicks = spark.read.schema(SCHEMA).parquet(asked.clicks).where(sql.col("day") <= asked.until)
    counts = count(clicks, asked.notes, asked.pace)
    ratings = spark.createDataFrame(
        rate(counts, asked.until), "reader string, article string, rating float, now int"
    )
    articles = sorted({article for _, article, _ in counts})
    publish(best(ratings.coalesce(4).cache(), articles), asked.table, asked.notes)
    report = {"clicks": sum(counts.values()), "pairs": len({key[:2] for key in counts}), "articles": len(articles)}
    put(f"{asked.notes}/report.json", json.dumps(report))
    spark.stop()


def count(clicks, notes, pace):
    """Clicks by (reader, article, day): each task maps its file, and the shuffle brings equal keys together."""

    def begin(rows):
        put(f"{notes}/began/{TaskContext.get().partitionId()}/{socket.gethostname()}", "")
        time.sleep(pace)
        for row in rows:
            yield (row.reader, row.article, row.day), 1

    return clicks.rdd.mapPartitions(begin).reduceByKey(operator.add, 4).collectAsMap()


def rate(counts, until):
    """How sure one may be that a reader likes an article, less with each day; now: its clicks on the last day."""
    last, found = date.fromisoformat(until), {}
    for (reader, article, day), clicks in counts.items():
        rating, now = found.get((reader, article), (0.0, 0))
        age = (last - date.fromisoformat(day)).days
        found[reader, article] = rating + 4 * clicks * 0.5**age, now + clicks * (age == 0)
    return [(*pair, *values) for pair, values in found.items()]


def best(ratings, articles):
    """A row a reader: of the articles that are still read and new to them, those which ALS ranks first."""
    number = sql.array_position(sql.array(*map(sql.lit, articles)), sql.col("article")).cast("int") - 1
    pairs = ratings.withColumn("item", number).withColumn("user", sql.substring("reader", 2, 9).cast("int"))
    model = ALS(
        rank=6, maxIter=5, regParam=0.1, implicitPrefs=True, seed=1, numUserBlocks=4, numItemBlocks=4,
        userCol="user", itemCol="item", ratingCol="rating",
    ).fit(pairs)  # fmt: skip
    read = pairs.select("user", "item")
    current = pairs.where("now > 0").select("item", "article").distinct()
    some = (
        pairs.select("user", "reader")
        .distinct()
        .crossJoin(sql.broadcast(current))
        .join(read, ["user", "item"], "left_anti")
    )
    window = Window.partitionBy("reader").orderBy(sql.desc("prediction"), "article")
    top = model.transform(some).withColumn("place", sql.row_number().over(window)).where(sql.col("place") <= TOP)
    listed = sql.sort_array(sql.collect_list(sql.struct("place", "article"))).alias("list")
    return top.groupBy("reader").agg(listed).select("reader", sql.col("list.article").alias("articles"))


def publish(rows, table, notes):
    def write(part):
        with boto3.resource("dynamodb").Table(table).batch_writer() as batch:
            for row in part:
                batch.put_item({"reader": row.reader, "articles": list(row.articles), "notes": notes})

    rows.rdd.foreachPartition(write)


def put(uri, text):
    place = urlsplit(uri)
    boto3.client("s3").put_object(Bucket=place.netloc, Key=place.path.lstrip("/"), Body=text.encode())


def parse():
    parser = argparse.ArgumentParser()
    for name in ("clicks", "until", "table", "notes"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--pace", type=float, default=0.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
