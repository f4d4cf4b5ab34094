"""A lake that Lake Formation governs, as tests have it: somebody, a table of people, and what is granted on it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from tests import signers
from tests.cloud.lake import Lake
from tests.conftest import LocalCloud

ACCOUNT = "123456789012"
PEOPLE = [
    ("ada", "de", "1111", 10),
    ("bob", "us", "2222", 20),
    ("cyd", "de", "3333", 30),
    ("dan", "fr", "four", 40),
]
# What somebody needs of IAM to ask Athena; nothing of it is about the objects of tables.
OF_IAM = ["athena:*", "glue:*", "lakeformation:GetDataAccess"]


class Governed:
    """A lake with tables `people` (CSV), `files` (Parquet, in partitions of countries) and `lines` (JSON).

    admin: the client of who administers it, the home's own. Its bucket's folder `data` is registered.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.lake = cloud, Lake(cloud)
        self.admin: Any = cloud.client("lakeformation")
        self.iam: Any = cloud.client("iam")
        self.me = holder_of(cloud.client("sts").get_caller_identity()["Arn"])
        self._administer()
        self._fill()
        self._register()

    def _administer(self) -> None:
        settings = self.admin.get_data_lake_settings()["DataLakeSettings"]
        admins = {one["DataLakePrincipalIdentifier"] for one in settings["DataLakeAdmins"]} | {self.me}
        settings["DataLakeAdmins"] = [{"DataLakePrincipalIdentifier": one} for one in sorted(admins)]
        self.admin.put_data_lake_settings(DataLakeSettings=settings)

    def _fill(self) -> None:
        lake = self.lake
        lake.put("data/people/a.csv", "".join(",".join(map(str, one)) + "\n" for one in PEOPLE))
        rows = [dict(zip(("name", "country", "ssn", "pay"), one, strict=True)) for one in PEOPLE]
        lake.put("data/lines/a.json", "".join(json.dumps(one) + "\n" for one in rows))
        columns = "name string, country string, ssn string, pay int"
        lake.rows(
            f"CREATE EXTERNAL TABLE people ({columns}) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
            f" LOCATION '{lake.uri('data/people/')}'"
        )
        lake.rows(
            f"CREATE EXTERNAL TABLE lines ({columns}) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"
            f" LOCATION '{lake.uri('data/lines/')}'"
        )
        lake.rows(
            "CREATE TABLE files WITH (format = 'PARQUET', partitioned_by = ARRAY['country'],"
            f" external_location = '{lake.uri('data/files/')}') AS SELECT name, ssn, pay, country FROM people"
        )

    def _register(self) -> None:
        name = f"lake-{uuid.uuid4().hex[:8]}"
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lakeformation.amazonaws.com"},
        }
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]
        allowed = {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}
        self.iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=document(allowed))
        self.place = f"arn:aws:s3:::{self.lake.bucket}/data"
        self.admin.register_resource(ResourceArn=self.place, RoleArn=made["Arn"])

    def govern(self, *tables: str) -> None:
        """From now on grants decide of these tables."""
        for table in tables:
            self.admin.revoke_permissions(
                Principal=principal("IAM_ALLOWED_PRINCIPALS"), Resource=self.table(table), Permissions=["ALL"]
            )
            self.admin.grant_permissions(
                Principal=principal(self.me), Resource=self.table(table), Permissions=["ALL"]
            )

    def table(self, name: str) -> dict[str, Any]:
        return {"Table": {"DatabaseName": self.lake.database, "Name": name}}

    def columns(self, name: str, *columns: str, excluded: tuple[str, ...] = ()) -> dict[str, Any]:
        of: dict[str, Any] = {"DatabaseName": self.lake.database, "Name": name}
        more = {"ColumnNames": list(columns)} if columns else {"ColumnWildcard": {"ExcludedColumnNames": excluded}}
        return {"TableWithColumns": of | more}

    def cells(self, table: str, name: str, rows: str | None, *columns: str) -> dict[str, Any]:
        """A data cells filter, made. rows: None: all. columns: all where there are none."""
        of = {"TableCatalogId": ACCOUNT, "DatabaseName": self.lake.database, "TableName": table, "Name": name}
        shown: dict[str, Any] = {"ColumnNames": list(columns)} if columns else {"ColumnWildcard": {}}
        filtered: dict[str, Any] = {"AllRowsWildcard": {}} if rows is None else {"FilterExpression": rows}
        self.admin.create_data_cells_filter(TableData=of | shown | {"RowFilter": filtered})
        return {"DataCellsFilter": of}

    def grant(
        self, who: Somebody, resource: dict[str, Any], *permissions: str, more: tuple[str, ...] = ()
    ) -> None:
        asked = {"Permissions": list(permissions or ("SELECT",)), "PermissionsWithGrantOption": list(more)}
        self.admin.grant_permissions(Principal=principal(who.arn), Resource=resource, **asked)

    def somebody(self) -> Somebody:
        return Somebody(self)


class Somebody:
    """A user who may ask Athena, and write results, but read no object of a table by IAM."""

    def __init__(self, governed: Governed) -> None:
        lake, name = governed.lake, f"analyst-{uuid.uuid4().hex[:8]}"
        self.arn = governed.iam.create_user(UserName=name)["User"]["Arn"]
        keys = governed.iam.create_access_key(UserName=name)["AccessKey"]
        bucket = f"arn:aws:s3:::{lake.bucket}"
        results = {"Effect": "Allow", "Action": "s3:*", "Resource": [f"{bucket}/results/*", f"{bucket}/made/*"]}
        lists = {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket,
            "Condition": {"StringLike": {"s3:prefix": ["results/*", "made/*"]}},
        }
        asks = {"Effect": "Allow", "Action": OF_IAM, "Resource": "*"}
        governed.iam.put_user_policy(UserName=name, PolicyName="r", PolicyDocument=document(results, lists, asks))
        session = signers.session(keys["AccessKeyId"], keys["SecretAccessKey"])
        self.client: Callable[[str], Any] = lambda service: session.client(
            service, endpoint_url=governed.cloud.url
        )
        self.athena, self.lake = self.client("athena"), lake

    def rows(self, sql: str) -> list[list[str | None]]:
        return self.lake.rows(sql, athena=self.athena)

    def reason(self, sql: str) -> str:
        return self.lake.reason(sql, self.athena)


def principal(arn: str) -> dict[str, str]:
    return {"DataLakePrincipalIdentifier": arn}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def holder_of(arn: str) -> str:
    """The role of a session."""
    if ":assumed-role/" not in arn:
        return arn
    return f"arn:aws:iam::{ACCOUNT}:role/{arn.split('/')[1]}"
