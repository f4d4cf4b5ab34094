"""Athena: a query over a million rows of Parquet, beside DuckDB alone on the same file."""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from place import Place, local_cloud, new_home
from table import Result

from sagelab.cloud.engine.images.environments import LAKE, Environments
from sagelab.cloud.home import Home

ROWS, BUCKET, DATABASE = 1_000_000, "bench-lake", "bench"
SQL = (
    "SELECT kind, count(*) AS n, avg(price) AS mean, count(DISTINCT customer) AS customers FROM {} WHERE price > 5"
    " GROUP BY kind ORDER BY kind"
)
# As somebody would without Athena: a process that reads the file from the disk and writes the answer.
ALONE = """
import duckdb, sys
duckdb.sql(sys.argv[1]).write_csv(sys.argv[2])
"""


def lake(quick: bool) -> Iterator[Result]:
    times = 3 if quick else 9
    content = _parquet()
    with new_home() as home, local_cloud(home) as place, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "orders.parquet")
        file.write_bytes(content)
        client = _make(place, content)
        _query(client)  # the warm Python has started
        asked, alone = [], []
        for _ in range(times):  # by turns: what else this machine does falls on both
            asked.append(_query(client))
            alone.append(_alone(home, file))
    seconds = statistics.median(asked)
    seen = f"p50 of {times}, {ROWS:,} rows, {len(content) >> 20} MB of Parquet; slowest {max(asked):.2f} s"
    yield Result("Athena: a query over a million rows", seconds, 2.0, "s", seen=seen)
    beside = statistics.median(alone)
    seen = f"DuckDB in a process of its own, from the disk: {beside:.2f} s"
    yield Result("Athena, beside DuckDB alone", seconds / beside, 1.5, "x", seen=seen)


def _parquet() -> bytes:
    random = np.random.default_rng(7)
    table = pa.table(
        {
            "customer": random.integers(0, 50_000, ROWS),
            "price": random.gamma(2.0, 10.0, ROWS).round(2),
            "kind": random.choice(["book", "film", "game", "song"], ROWS),
            "note": random.choice([f"note {number}" for number in range(1000)], ROWS),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _make(place: Place, content: bytes) -> Any:
    s3, glue = place.client("s3"), place.client("glue")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="orders/a.parquet", Body=content)
    columns = {"customer": "bigint", "price": "double", "kind": "string", "note": "string"}
    storage = {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": f"s3://{BUCKET}/orders/",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
    }
    glue.create_database(DatabaseInput={"Name": DATABASE})
    glue.create_table(DatabaseName=DATABASE, TableInput={"Name": "orders", "StorageDescriptor": storage})
    return place.client("athena")


def _query(client: Any) -> float:
    """Seconds until a query is seen to have succeeded."""
    began, place = time.perf_counter(), {"OutputLocation": f"s3://{BUCKET}/results/"}
    asked = {"QueryString": SQL.format(f"{DATABASE}.orders"), "ResultConfiguration": place}
    key = client.start_query_execution(**asked)["QueryExecutionId"]
    while True:
        status = client.get_query_execution(QueryExecutionId=key)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.025)
    if status["State"] != "SUCCEEDED":
        raise RuntimeError(status)
    return time.perf_counter() - began


def _alone(home: Home, file: Path) -> float:
    packages = Environments(home.environments).packages(LAKE)
    command = [sys.executable, "-c", ALONE, SQL.format(f"'{file}'"), str(file.with_suffix(".csv"))]
    began = time.perf_counter()
    subprocess.run(command, check=True, env={"PYTHONPATH": str(packages)})
    return time.perf_counter() - began
