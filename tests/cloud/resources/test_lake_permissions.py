"""Lake Formation's grants: on databases, tables, columns and cells, and what Athena and Glue make of them."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.grants import ACCOUNT, Governed, Somebody, document, principal
from tests.conftest import LocalCloud

NOBODYS = "Insufficient permissions to execute the query. Insufficient Lake Formation permission(s): Required "
TABLES = ("people", "files", "lines")
HIDDEN = "Column 'ssn' cannot be resolved or requester is not authorized to access requested resources"


@pytest.fixture(scope="module")
def governed(cloud: LocalCloud) -> Governed:
    found = Governed(cloud)
    found.govern("people", "files", "lines")
    return found


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])


def test_who_has_nothing_of_a_table_is_refused(governed: Governed) -> None:
    who = governed.somebody()
    database = governed.lake.database
    assert who.reason("SELECT * FROM people").startswith(NOBODYS + "Describe on people")
    glue = who.client("glue")
    code, words = refused(glue.get_table, DatabaseName=database, Name="people")
    assert (code, words) == (
        "AccessDeniedException",
        "Insufficient Lake Formation permission(s): Required Describe on people",
    )
    assert glue.get_tables(DatabaseName=database)["TableList"] == []
    governed.grant(who, governed.table("people"), "DESCRIBE")
    assert [one["Name"] for one in glue.get_tables(DatabaseName=database)["TableList"]] == ["people"]
    assert "Relation contains no accessible columns" in who.reason("SELECT * FROM people")
    governed.grant(who, governed.table("people"), "SELECT")
    assert who.rows("SELECT count(*) FROM people") == [["4"]]


@pytest.mark.parametrize("table", TABLES)
def test_columns_that_are_not_granted_are_not_there(governed: Governed, table: str) -> None:
    who = governed.somebody()
    governed.grant(who, governed.columns(table, "name", "country"))
    assert who.rows(f"SELECT * FROM {table} WHERE country = 'us'") == [["bob", "us"]]
    assert who.reason(f"SELECT ssn FROM {table}") == f"COLUMN_NOT_FOUND: line 1:1: {HIDDEN}"
    found = who.client("glue").get_table(DatabaseName=governed.lake.database, Name=table)["Table"]
    named = [*found["StorageDescriptor"]["Columns"], *found.get("PartitionKeys", [])]
    assert [one["Name"] for one in named] == ["name", "country"]


@pytest.mark.parametrize("table", TABLES)
def test_rows_that_a_filter_hides_are_not_there(governed: Governed, table: str) -> None:
    who = governed.somebody()
    governed.grant(who, governed.cells(table, f"de-{table}", "country = 'de' AND pay >= 10", "name", "pay"))
    assert who.rows(f"SELECT * FROM {table} ORDER BY name") == [["ada", "10"], ["cyd", "30"]]
    assert who.rows(f"SELECT count(*), max(pay) FROM {table}") == [["2", "30"]]
    assert who.rows(f"SELECT a.name FROM {table} a JOIN {table} b ON a.pay < b.pay") == [["ada"]]


def test_several_filters_show_each_cell_that_one_of_them_shows(governed: Governed) -> None:
    who = governed.somebody()
    governed.grant(who, governed.cells("people", "names", "country IN ('de', 'us')", "name", "country"))
    governed.grant(who, governed.cells("people", "pays", "pay > 20", "name", "pay"))
    rows = who.rows("SELECT * FROM people ORDER BY name")
    assert rows == [["ada", "de", None], ["bob", "us", None], ["cyd", "de", "30"], ["dan", None, "40"]]


def attacks(who: Somebody) -> dict[str, str]:
    """SQL -> what it must not tell: what is hidden is dan's row, and everybody's ssn."""
    lake = who.lake
    made = f"WITH (external_location = '{lake.uri('made/ctas/')}', format = 'JSON')"
    return {
        "SELECT CAST(name AS int) FROM people": "dan",
        "SELECT name FROM people WHERE 1 / (CASE WHEN name = 'dan' THEN 0 ELSE 1 END) = 1": "division",
        "SELECT name FROM people WHERE CAST(CASE WHEN pay = 40 THEN name ELSE '1' END AS int) = 1": "dan",
        **{f"SELECT name FROM {table} WHERE pay * 300000000000000000 > 0": "40 *" for table in TABLES},
        "SELECT name FROM people WHERE ssn = 'four'": "four",
        "SELECT t.ssn FROM (SELECT * FROM people) t": "four",
        "SELECT people FROM people": "four",
        "SELECT COLUMNS('s.*') FROM people": "four",
        "SELECT (SELECT max(ssn) FROM people)": "four",
        "WITH people AS (SELECT * FROM people) SELECT * FROM people ORDER BY 1": "dan",
        'WITH "lake://t0/0" AS (SELECT * FROM "lake://t0/0") SELECT * FROM "lake://t0/0"': "dan",
        "WITH partition_values AS (SELECT * FROM partition_values) SELECT * FROM partition_values, files": "fr",
        f"SELECT * FROM read_csv('{lake.uri('data/people/a.csv')}')": "dan",
        f"SELECT * FROM '{lake.uri('data/people/a.csv')}'": "dan",
        "SELECT * FROM information_schema.columns": "ssn",
        "SELECT * FROM duckdb_columns()": "ssn",
        "SELECT * FROM duckdb_tables": "ssn",
        "SELECT * FROM main.duckdb_views": "ssn",
        "EXPLAIN SELECT * FROM people": "ssn",
        "EXPLAIN ANALYZE SELECT * FROM people": "ssn",
        "DESCRIBE people": "ssn",
        "SHOW COLUMNS IN people": "ssn",
        "SHOW CREATE TABLE people": "ssn",
        "SHOW PARTITIONS files": "fr",
        f"CREATE TABLE taken {made} AS SELECT * FROM people": "dan",
        f"UNLOAD (SELECT * FROM people) TO '{lake.uri('made/unloaded/')}' WITH (format = 'JSON')": "dan",
        "PREPARE hidden FROM SELECT * FROM people": "dan",
        "EXECUTE hidden": "dan",
        "SELECT name, ssn FROM files": "four",
        "SELECT name FROM files WHERE CAST(CASE WHEN country = 'fr' THEN country ELSE '1' END AS int) = 1": "'fr'",
        "SELECT name FROM lines WHERE json_extract_scalar(ssn, '$') = 'x'": "four",
        "INSERT INTO people SELECT 'x', 'y'": "dan",
        "SELECT * FROM people TABLESAMPLE BERNOULLI (100)": "dan",
        "SELECT * FROM others ORDER BY 1": "dan",
        "SELECT * FROM people NATURAL JOIN files": "four",
        "SELECT name FROM people WHERE EXISTS (SELECT 1 FROM files f WHERE f.ssn = people.name)": "four",
        "VALUES (1), ((SELECT count(*) FROM people WHERE pay > 35))": "1\n1",
        'SELECT * FROM "$people$properties"': "ssn",
    }


def test_no_way_leads_round_what_is_hidden(governed: Governed) -> None:
    """What each finds, or why it fails, tells nothing of a hidden row or column; those that find something find it
    without them."""
    who, lake = governed.somebody(), governed.lake
    for table in TABLES:
        shown = ("name", "country", "pay")
        governed.grant(who, governed.cells(table, f"not-fr-{table}", "country <> 'fr'", *shown))
    lake.rows("CREATE OR REPLACE VIEW others AS SELECT name FROM people")
    asked = attacks(who)
    started: dict[str, str] = {}
    for sql in asked:
        started[sql] = lake.start(sql, who.athena)
        if sql.startswith(("PREPARE", "CREATE")):
            lake.wait(started[sql])
    leaked = {}
    for sql, key in started.items():
        ended = lake.wait(key)
        said = str(ended["Status"].get("StateChangeReason"))
        if ended["Status"]["State"] == "SUCCEEDED":
            said = "\n".join(str(one) for row in lake.read(key) for one in row)
        plain = said.replace(sql, "")
        if asked[sql] in plain or (asked[sql] != "ssn" and "four" in plain):
            leaked[sql] = said
    assert leaked == {}
    objects = lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="made/")["Contents"]
    written = [
        gzip.decompress(lake.s3.get_object(Bucket=lake.bucket, Key=one["Key"])["Body"].read()) for one in objects
    ]
    text = b"".join(written).decode()
    assert "ada" in text
    assert "dan" not in text
    assert "four" not in text


def test_a_grant_ends_when_it_is_taken(governed: Governed) -> None:
    who, table = governed.somebody(), governed.table("people")
    governed.grant(who, table)
    assert who.rows("SELECT count(*) FROM people") == [["4"]]
    of = {"Principal": principal(who.arn), "Resource": table}
    listed = governed.admin.list_permissions(**of)["PrincipalResourcePermissions"]
    assert [one["Permissions"] for one in listed] == [["SELECT"]]
    governed.admin.revoke_permissions(**of, Permissions=["SELECT"])
    assert governed.admin.list_permissions(**of)["PrincipalResourcePermissions"] == []
    assert who.reason("SELECT count(*) FROM people").startswith(NOBODYS)
    code, words = refused(governed.admin.revoke_permissions, **of, Permissions=["SELECT"])
    assert (code, words.startswith("No permissions revoked.")) == ("InvalidInputException", True)


def test_who_has_the_grant_option_grants_on_and_nobody_else_does(governed: Governed) -> None:
    first, second = governed.somebody(), governed.somebody()
    table, lake = governed.table("people"), first.client("lakeformation")
    asked = {"Principal": principal(second.arn), "Resource": table, "Permissions": ["SELECT"]}
    iam = governed.iam
    allow = {"Effect": "Allow", "Action": "lakeformation:*", "Resource": "*"}
    name = first.arn.rpartition("/")[2]
    assert refused(lake.grant_permissions, **asked)[0] == "AccessDeniedException"
    iam.put_user_policy(UserName=name, PolicyName="lake", PolicyDocument=document(allow))
    words = "Resource does not exist or requester is not authorized to access requested permissions."
    assert refused(lake.grant_permissions, **asked) == ("AccessDeniedException", words)
    governed.grant(first, table, "SELECT", more=("SELECT",))
    lake.grant_permissions(**asked)
    assert second.rows("SELECT count(*) FROM people") == [["4"]]
    asked["Permissions"] = ["DROP"]
    assert refused(lake.grant_permissions, **asked)[0] == "AccessDeniedException"


def test_what_is_made_is_governed_where_the_settings_say_so(governed: Governed, unique: Any) -> None:
    admin, glue = governed.admin, governed.cloud.client("glue")
    before = admin.get_data_lake_settings()["DataLakeSettings"]
    database, who = unique("governed").replace("-", "_"), governed.somebody()
    mine = who.client("glue")
    try:
        bare: dict[str, Any] = {"CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": []}
        admin.put_data_lake_settings(DataLakeSettings=before | bare)
        glue.create_database(DatabaseInput={"Name": database})
    finally:
        admin.put_data_lake_settings(DataLakeSettings=before)
    table = {"Name": "t", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}}
    _, words = refused(mine.create_table, DatabaseName=database, TableInput=table)
    assert words == f"Insufficient Lake Formation permission(s): Required Create Table on {database}"
    assert database not in [one["Name"] for one in mine.get_databases()["DatabaseList"]]
    assert refused(mine.get_table, DatabaseName=database, Name="none")[0] == "AccessDeniedException"
    glue.create_table(DatabaseName=database, TableInput=table)
    assert refused(mine.get_table, DatabaseName=database, Name="t")[0] == "AccessDeniedException"
    of = {"Database": {"Name": database}}
    governed.grant(who, of, "CREATE_TABLE")
    mine.create_table(DatabaseName=database, TableInput=table | {"Name": "u"})
    assert [one["Name"] for one in mine.get_tables(DatabaseName=database)["TableList"]] == ["u"]
    assert refused(mine.delete_database, Name=database)[1].endswith(f"Required Drop on {database}")
    assert refused(mine.delete_table, DatabaseName=database, Name="t")[1].endswith("Required Drop on t")
    mine.delete_table(DatabaseName=database, Name="u")
    glue.delete_database(Name=database)
    assert admin.list_permissions(Principal=principal(who.arn))["PrincipalResourcePermissions"] == []


def test_a_registered_place_takes_tables_of_those_who_may_use_it(governed: Governed) -> None:
    who, lake = governed.somebody(), governed.lake
    sql = (
        "CREATE EXTERNAL TABLE stolen (name string, country string, ssn string) ROW FORMAT DELIMITED FIELDS"
        f" TERMINATED BY ',' LOCATION '{lake.uri('data/people/')}'"
    )
    assert f"Insufficient Lake Formation permission(s) on {lake.uri('data/people/')}" in who.reason(sql)
    governed.grant(who, {"DataLocation": {"ResourceArn": governed.place}}, "DATA_LOCATION_ACCESS")
    who.rows(sql)
    # IAM alone decides of it, and lets nobody read the objects.
    assert who.reason("SELECT * FROM stolen").startswith("Permission denied on S3 path")
    # Nor does it where another table at the same place may be read.
    governed.grant(who, governed.columns("people", "name"))
    both = "SELECT s.ssn FROM people p JOIN stolen s ON s.name = p.name"
    assert who.reason(both).startswith("Permission denied on S3 path")
    lake.rows("DROP TABLE stolen")


def test_data_are_written_by_who_may_insert(governed: Governed) -> None:
    who, lake = governed.somebody(), governed.lake
    lake.rows(
        "CREATE EXTERNAL TABLE notes (a string, b string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        f" LOCATION '{lake.uri('data/notes/')}'"
    )
    governed.govern("notes")
    governed.grant(who, governed.columns("notes", "a"))
    assert who.reason("INSERT INTO notes VALUES ('x', 'y')").startswith(NOBODYS + "Insert on notes")
    governed.grant(who, governed.table("notes"), "INSERT")
    who.rows("INSERT INTO notes VALUES ('x', 'y')")
    assert who.rows("SELECT * FROM notes") == [["x"]]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nope = 1", "Column 'nope' cannot be resolved"),
        ("country = 'de') OR (1 = 1", "mismatched input ')'"),
        ("country = (SELECT 1)", "mismatched input '('"),
        ("read_csv('x') = 1", "Column 'read_csv' cannot be resolved"),
        ("country = 'de' -- x", "mismatched input '-'"),
        ("(" * 200 + "pay = 1" + ")" * 200, "the expression is nested too deeply"),
        ("country", "mismatched input '<EOF>'"),
        ("pay = 1; DROP TABLE people", "mismatched input '; DROP TABLE people'"),
    ],
)
def test_a_row_filter_is_a_condition_and_nothing_else(governed: Governed, expression: str, why: str) -> None:
    with pytest.raises(ClientError) as error:
        governed.cells("people", "bad", expression)
    assert error.value.response["Error"]["Message"] == f"Invalid filter expression: {why}"


def test_filters_are_listed_changed_and_deleted_with_what_is_granted_on_them(governed: Governed) -> None:
    who, admin, database = governed.somebody(), governed.admin, governed.lake.database
    made = governed.cells("people", "changing", "pay BETWEEN 5 AND 15 AND NOT name LIKE 'x%'")
    governed.grant(who, made)
    assert who.rows("SELECT name FROM people") == [["ada"]]
    of = {"TableCatalogId": ACCOUNT, "DatabaseName": database, "TableName": "people", "Name": "changing"}
    found = admin.get_data_cells_filter(**of)["DataCellsFilter"]
    assert "SQL" not in found
    changed = {name: found[name] for name in of} | {"ColumnNames": ["pay"], "VersionId": found["VersionId"]}
    admin.update_data_cells_filter(TableData=changed | {"RowFilter": {"FilterExpression": "name = 'dan'"}})
    assert who.rows("SELECT * FROM people") == [["40"]]
    code, _ = refused(admin.update_data_cells_filter, TableData=changed | {"RowFilter": {"AllRowsWildcard": {}}})
    assert code == "ConcurrentModificationException"
    table = {"CatalogId": ACCOUNT, "DatabaseName": database, "Name": "people"}
    assert "changing" in [one["Name"] for one in admin.list_data_cells_filter(Table=table)["DataCellsFilters"]]
    admin.delete_data_cells_filter(**of)
    assert who.reason("SELECT * FROM people").startswith(NOBODYS)
    assert refused(admin.get_data_cells_filter, **of)[0] == "EntityNotFoundException"


def test_a_batch_tells_what_of_it_failed(governed: Governed) -> None:
    who = governed.somebody()
    entries = [
        {
            "Id": "a",
            "Principal": principal(who.arn),
            "Resource": governed.table("people"),
            "Permissions": ["SELECT"],
        },
        {
            "Id": "b",
            "Principal": principal(who.arn),
            "Resource": governed.table("none"),
            "Permissions": ["SELECT"],
        },
        {"Id": "c", "Principal": principal("x"), "Resource": governed.table("people"), "Permissions": ["SELECT"]},
        {"Id": "d", "Principal": principal(who.arn), "Resource": {"Catalog": {}}, "Permissions": ["SELECT"]},
    ]
    failures = governed.admin.batch_grant_permissions(Entries=entries)["Failures"]
    told = [(one["RequestEntry"]["Id"], one["Error"]["ErrorCode"]) for one in failures]
    assert told == [
        ("b", "EntityNotFoundException"),
        ("c", "InvalidInputException"),
        ("d", "InvalidInputException"),
    ]
    assert who.rows("SELECT count(*) FROM people") == [["4"]]
    assert governed.admin.batch_revoke_permissions(Entries=entries[:1])["Failures"] == []
