"""Redshift's Data API: statements on a cluster's database, tables of the catalogue beside it, and S3."""

from __future__ import annotations

import gzip
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.grants import Governed, document, principal
from tests.conftest import LocalCloud
from tests.waiting import until

ENDED = ("FINISHED", "FAILED", "ABORTED")


class Cluster:
    """A cluster with one role, and a lake that Lake Formation governs."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.governed = cloud, Governed(cloud)
        self.data: Any = cloud.client("redshift-data")
        self.redshift: Any = cloud.client("redshift")
        self.name, self.role = f"house-{uuid.uuid4().hex[:8]}", self._role()
        self.redshift.create_cluster(
            ClusterIdentifier=self.name,
            NodeType="ra3.xlplus",
            ClusterType="single-node",
            MasterUsername="awsuser",
            MasterUserPassword="Secret-1-word",
            DBName="dev",
            IamRoles=[self.role],
        )
        self.of = {"ClusterIdentifier": self.name, "Database": "dev", "DbUser": "awsuser"}

    def _role(self) -> str:
        iam, name, bucket = self.governed.iam, f"spectrum-{uuid.uuid4().hex[:8]}", self.governed.lake.bucket
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "redshift.amazonaws.com"}}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]
        place = f"arn:aws:s3:::{bucket}"
        rights = (
            {"Effect": "Allow", "Action": "s3:*", "Resource": [f"{place}/copied/*", f"{place}/made/*"]},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": place},
            {"Effect": "Allow", "Action": "glue:*", "Resource": "*"},
        )
        iam.put_role_policy(RoleName=name, PolicyName="r", PolicyDocument=document(*rights))
        return str(made["Arn"])

    def start(self, sql: str, **more: Any) -> str:
        return str(self.data.execute_statement(Sql=sql, **self.of | more)["Id"])

    def wait(self, key: str) -> dict[str, Any]:
        return until(lambda: self.data.describe_statement(Id=key), lambda one: one["Status"] in ENDED)

    def run(self, sql: str, **more: Any) -> dict[str, Any]:
        found = self.wait(self.start(sql, **more))
        assert found["Status"] == "FINISHED", found.get("Error")
        return found

    def rows(self, sql: str, **more: Any) -> list[list[Any]]:
        return self.read(self.run(sql, **more)["Id"])

    def read(self, key: str) -> list[list[Any]]:
        pages = self.data.get_paginator("get_statement_result").paginate(Id=key)
        rows = [row for page in pages for row in page["Records"]]
        return [[None if "isNull" in one else next(iter(one.values())) for one in row] for row in rows]

    def error(self, sql: str) -> str:
        found = self.wait(self.start(sql))
        assert found["Status"] == "FAILED", found
        return str(found["Error"])


@pytest.fixture(scope="module")
def cluster(cloud: LocalCloud) -> Cluster:
    return Cluster(cloud)


def test_tables_are_made_filled_and_asked_in_redshifts_words(cluster: Cluster) -> None:
    cluster.run(
        "CREATE TABLE IF NOT EXISTS sales (id bigint IDENTITY(1,1), name varchar(20) ENCODE zstd NOT NULL,"
        " day date SORTKEY, amount decimal(10,2) DEFAULT 0) DISTSTYLE KEY DISTKEY(name)"
    )
    made = cluster.run("INSERT INTO sales (name, day, amount) VALUES ('a', '2026-01-02', 1.5), ('b', NULL, 2.25)")
    assert (made["ResultRows"], made["HasResultSet"]) == (2, False)
    sql = "SELECT id, name, NVL(day, '2026-01-01'), amount, amount > 2 FROM sales ORDER BY id"
    assert cluster.rows(sql) == [[1, "a", "2026-01-02", "1.50", False], [2, "b", "2026-01-01", "2.25", True]]
    words = (
        "SELECT LISTAGG(name, '+') WITHIN GROUP (ORDER BY name), DATEDIFF(day, MIN(day), GETDATE()) > 0 FROM sales"
    )
    assert cluster.rows(words) == [["a+b", True]]
    assert cluster.rows("SELECT name FROM sales WHERE id = :id", Parameters=[{"name": "id", "value": "2"}]) == [
        ["b"]
    ]
    found = cluster.run("SELECT id, amount FROM sales")
    columns = cluster.data.get_statement_result(Id=found["Id"])["ColumnMetadata"]
    assert [(one["name"], one["typeName"]) for one in columns] == [("id", "int8"), ("amount", "numeric")]
    cluster.run("UPDATE sales SET amount = 3 WHERE name = 'a'")
    cluster.run("DELETE FROM sales WHERE name = 'b'")
    assert cluster.rows("SELECT TOP 5 name, amount FROM public.sales") == [["a", "3.00"]]
    data, of = cluster.data, cluster.of
    assert {"schema": "public", "name": "sales", "type": "TABLE"} in data.list_tables(**of)["Tables"]
    described = data.describe_table(**of, Schema="public", Table="sales")["ColumnList"]
    assert [one["name"] for one in described] == ["id", "name", "day", "amount"]
    assert data.list_databases(**of)["Databases"] == ["dev"]
    assert "public" in data.list_schemas(**of)["Schemas"]


def test_a_statement_that_fails_says_why_in_redshifts_words(cluster: Cluster) -> None:
    asked = {
        "SELECT * FROM nope": 'ERROR: relation "nope" does not exist',
        "SELECT nope FROM (SELECT 1 AS a) t": 'ERROR: column "nope" does not exist',
        "SELECT CAST('x' AS int)": 'ERROR: invalid input syntax for integer: "x"',
        "SELECT foo(1)": "ERROR: function foo does not exist",
        "SELECT * FROM read_csv('/etc/passwd')": "FUNCTION_NOT_FOUND",
        "SELECT * FROM '/etc/passwd'": "ERROR",
        "COPY sales FROM '/etc/passwd' IAM_ROLE 'x'": "ERROR: The S3 path must begin with s3://",
        "ATTACH '/warehouse/other.duckdb'": "ERROR",
        "SET enable_external_access = true": "ERROR: SET is not something",
        "SELECT * FROM outside0.a.b": 'ERROR: relation "b" does not exist',
        "SELECT * FROM duckdb_views": 'ERROR: relation "duckdb_views" does not exist',
        "SELECT getenv('HOME')": "FUNCTION_NOT_FOUND",
    }
    started = {sql: cluster.start(sql) for sql in asked}
    told = {sql: cluster.wait(key) for sql, key in started.items()}
    assert {sql: one["Status"] for sql, one in told.items()} == dict.fromkeys(asked, "FAILED")
    assert {sql: one["Error"] for sql, one in told.items() if asked[sql] not in one["Error"]} == {}
    with pytest.raises(ClientError, match="Query does not have result"):
        cluster.data.get_statement_result(Id=started["SELECT foo(1)"])
    with pytest.raises(ClientError, match='database "none" does not exist'):
        cluster.start("SELECT 1", Database="none")
    with pytest.raises(ClientError, match="Redshift endpoint doesn't exist in this region"):
        cluster.start("SELECT 1", ClusterIdentifier="none")


def test_a_batch_is_done_as_a_whole_or_not_at_all(cluster: Cluster) -> None:
    cluster.run("CREATE TABLE counts (a int)")
    batch = cluster.data.batch_execute_statement
    good = cluster.wait(batch(Sqls=["INSERT INTO counts VALUES (1)", "SELECT a FROM counts"], **cluster.of)["Id"])
    assert [one["Status"] for one in good["SubStatements"]] == ["FINISHED", "FINISHED"]
    assert cluster.read(good["SubStatements"][1]["Id"]) == [[1]]
    bad = cluster.wait(batch(Sqls=["INSERT INTO counts VALUES (2)", "SELECT b FROM counts"], **cluster.of)["Id"])
    assert bad["Status"] == "FAILED"
    assert [one["Status"] for one in bad["SubStatements"]] == ["ABORTED", "FAILED"]
    assert cluster.rows("SELECT count(*) FROM counts") == [[1]]
    listed = cluster.data.list_statements(Status="FAILED", ClusterIdentifier=cluster.name)["Statements"]
    assert bad["Id"] in [one["Id"] for one in listed if one["IsBatchStatement"]]


def test_a_statement_is_told_of_to_who_has_sent_it(cluster: Cluster) -> None:
    key = cluster.run("SELECT 1")["Id"]
    who = cluster.governed.somebody()
    data = who.client("redshift-data")
    with pytest.raises(ClientError, match="not authorized to perform: redshift-data:DescribeStatement"):
        data.describe_statement(Id=key)
    allow = {"Effect": "Allow", "Action": "redshift-data:*", "Resource": "*"}
    name = who.arn.rpartition("/")[2]
    cluster.governed.iam.put_user_policy(UserName=name, PolicyName="data", PolicyDocument=document(allow))
    with pytest.raises(ClientError, match="Query does not exist"):
        data.describe_statement(Id=key)
    with pytest.raises(ClientError, match=r"redshift:GetClusterCredentials on resource: .*dbuser:.*/awsuser"):
        data.execute_statement(Sql="SELECT 1", **cluster.of)


def test_a_statement_is_cancelled_and_the_next_has_the_database(cluster: Cluster) -> None:
    slow = "SELECT count(*) FROM generate_series(1, 100000) a(x) CROSS JOIN generate_series(1, 1000000) b(y)"
    slow += " WHERE x * y % 7 = 3"
    keys = [cluster.start(slow), cluster.start("SELECT 1")]
    until(lambda: cluster.data.describe_statement(Id=keys[0])["Status"], lambda one: one == "STARTED")
    assert cluster.data.cancel_statement(Id=keys[0])["Status"] is True
    assert cluster.wait(keys[0])["Status"] == "ABORTED"
    assert cluster.wait(keys[1])["Status"] == "FINISHED"
    with pytest.raises(ClientError, match="already in ABORTED state"):
        cluster.data.cancel_statement(Id=keys[0])


def test_rows_are_copied_from_s3_and_unloaded_to_it(cluster: Cluster) -> None:
    lake = cluster.governed.lake
    lake.put("copied/csv/a", 'id,name\n1,one\n2,"t,wo"\n')
    lake.put("copied/json/a.gz", gzip.compress(b'{"id": 3, "name": "three"}\n'))
    lake.put("copied/text/a", "4|four\n")
    cluster.run("CREATE TABLE copied (id int, name varchar(10))")
    role = f"IAM_ROLE '{cluster.role}'"
    cluster.run(f"COPY copied FROM '{lake.uri('copied/csv/')}' {role} FORMAT AS CSV IGNOREHEADER 1")
    cluster.run(f"COPY copied (id, name) FROM '{lake.uri('copied/json/')}' {role} FORMAT JSON 'auto' GZIP")
    cluster.run(f"COPY copied FROM '{lake.uri('copied/text/')}' IAM_ROLE DEFAULT DELIMITER '|'")
    rows = [[1, "one"], [2, "t,wo"], [3, "three"], [4, "four"]]
    assert cluster.rows("SELECT * FROM copied ORDER BY id") == rows
    asked = "UNLOAD ('SELECT * FROM copied WHERE id < 3 ORDER BY id') TO '{}' {} FORMAT {}"
    cluster.run(asked.format(lake.uri("made/csv_"), role, "CSV HEADER"))
    body = lake.s3.get_object(Bucket=lake.bucket, Key="made/csv_000")["Body"].read()
    assert body == b'id,name\n1,one\n2,"t,wo"\n'
    cluster.run(asked.format(lake.uri("made/parquet_"), role, "PARQUET"))
    cluster.run("CREATE TABLE again (id int, name varchar(10))")
    cluster.run(f"COPY again FROM '{lake.uri('made/parquet_')}' {role} FORMAT AS PARQUET")
    assert cluster.rows("SELECT * FROM again ORDER BY id") == rows[:2]
    assert "destination on S3 is not empty" in cluster.error(asked.format(lake.uri("made/csv_"), role, "CSV"))
    other = cluster.error(
        f"COPY copied FROM '{lake.uri('copied/csv/')}' IAM_ROLE 'arn:aws:iam::123456789012:role/x' CSV"
    )
    assert "is not authorized to assume IAM Role" in other
    assert "Permission denied on S3 path" in cluster.error(
        f"COPY copied FROM '{lake.uri('data/')}people' {role} CSV"
    )


def test_spectrum_joins_tables_of_the_catalogue_as_the_role_may_see_them(cluster: Cluster) -> None:
    governed = cluster.governed
    database = governed.lake.database
    sql = f"CREATE EXTERNAL SCHEMA spectrum FROM DATA CATALOG DATABASE '{database}' IAM_ROLE '{cluster.role}'"
    cluster.run(sql)
    assert cluster.error(sql) == 'ERROR: Schema "spectrum" already exists'
    governed.govern("people", "files")
    assert "Required Describe on people" in cluster.error("SELECT * FROM spectrum.people")
    cells = governed.cells("people", "germans", "country = 'de'", "name", "pay")
    who = principal(cluster.role)
    governed.admin.grant_permissions(Principal=who, Resource=cells, Permissions=["SELECT"])
    files = governed.columns("files", "name", "country")
    governed.admin.grant_permissions(Principal=who, Resource=files, Permissions=["SELECT"])
    cluster.run("CREATE TABLE bonus (name varchar(10), extra int)")
    cluster.run("INSERT INTO bonus VALUES ('ada', 1), ('bob', 2), ('cyd', 3)")
    joined = "SELECT p.name, pay + extra, country FROM spectrum.people p JOIN bonus USING (name)"
    joined += " JOIN spectrum.files f ON f.name = p.name ORDER BY 1"
    assert cluster.rows(joined) == [["ada", 11, "de"], ["cyd", 33, "de"]]
    assert cluster.rows("SELECT * FROM spectrum.files WHERE country = 'us'") == [["bob", "us"]]
    assert "ssn" in cluster.error("SELECT ssn FROM spectrum.files")
    cluster.run("CREATE TABLE kept AS SELECT * FROM spectrum.people")
    assert cluster.rows("SELECT name FROM kept ORDER BY 1") == [["ada"], ["cyd"]]
    assert "external tables" in cluster.error("INSERT INTO spectrum.people VALUES ('x', 1)")
    assert "spectrum" in cluster.data.list_schemas(**cluster.of)["Schemas"]
    cluster.run("DROP SCHEMA spectrum")
    assert "does not exist" in cluster.error("SELECT * FROM spectrum.people")


def test_the_database_goes_with_its_cluster(cloud: LocalCloud) -> None:
    redshift, data, name = cloud.client("redshift"), cloud.client("redshift-data"), f"gone-{uuid.uuid4().hex[:8]}"
    asked = {"NodeType": "ra3.xlplus", "MasterUsername": "awsuser", "MasterUserPassword": "Secret-1-word"}
    redshift.create_cluster(ClusterIdentifier=name, DBName="dev", **asked)
    of = {"ClusterIdentifier": name, "Database": "dev", "DbUser": "awsuser"}
    key = data.execute_statement(Sql="CREATE TABLE t (a int)", **of)["Id"]
    until(lambda: data.describe_statement(Id=key)["Status"], lambda one: one in ENDED)
    folder = cloud.home.path / "warehouses"
    assert [one for one in folder.iterdir() if one.name.startswith(name)]
    redshift.delete_cluster(ClusterIdentifier=name, SkipFinalClusterSnapshot=True)
    until(lambda: [one for one in folder.iterdir() if one.name.startswith(name)], lambda left: not left)
