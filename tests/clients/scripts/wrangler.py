"""AWS SDK for pandas on a lake: written as Parquet into a database, asked by Athena in each way that it has.

python wrangler.py BUCKET DATABASE
"""

from __future__ import annotations

import sys

import awswrangler as wr
import pandas as pd

bucket, database = sys.argv[1:]
wr.catalog.create_database(database)
frame = pd.DataFrame(
    {"id": [1, 2, 3], "name": ["a", "b", None], "day": ["x", "x", "y"], "price": [1.5, 2.5, None]}
)
place = {"dataset": True, "database": database, "table": "orders"}
wr.s3.to_parquet(frame, path=f"s3://{bucket}/orders/", partition_cols=["day"], **place)
ask = {"database": database, "s3_output": f"s3://{bucket}/results/"}

plain = wr.athena.read_sql_query("SELECT * FROM orders ORDER BY id", ctas_approach=False, **ask)
assert plain["id"].tolist() == [1, 2, 3]
assert plain["day"].tolist() == ["x", "x", "y"]
assert plain["price"].sum() == 4.0
made = wr.athena.read_sql_query("SELECT day, count(*) AS n FROM orders GROUP BY day", ctas_approach=True, **ask)
assert dict(zip(made["day"], made["n"], strict=True)) == {"x": 2, "y": 1}
ways = {"ctas_approach": False, "unload_approach": True, "s3_output": f"s3://{bucket}/unloaded/"}
unloaded = wr.athena.read_sql_query("SELECT id FROM orders WHERE id > 1", **(ask | ways))
assert sorted(unloaded["id"]) == [2, 3]
named = wr.athena.read_sql_query(
    "SELECT name FROM orders WHERE id = :id", params={"id": 2}, ctas_approach=False, **ask
)
assert named["name"].tolist() == ["b"]
described = wr.athena.describe_table(table="orders", **ask)
assert described["Column Name"].tolist() == ["id", "name", "price", "day"]
assert described["Partition"].tolist() == [False, False, False, True]
assert wr.catalog.tables(database=database)["Table"].tolist() == ["orders"]
print("all is well")
