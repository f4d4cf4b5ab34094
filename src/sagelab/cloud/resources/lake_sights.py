"""What the host of a query is told of a table that is governed: all of it, what of it the asker sees, and keys.

The host is the engine that Lake Formation trusts, as Athena is: it is told what the asker's own calls are not.
https://docs.aws.amazon.com/lake-formation/latest/dg/using-cred-vending.html
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.context import LAKE, Cloud
from sagelab.cloud.grants import things
from sagelab.cloud.grants.access import Access, Sight
from sagelab.cloud.grants.records import Records
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.lake_permissions import columns_of

PAGE = 200  # partitions
_READS = ["s3:GetObject"]
_WRITES = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]


class Sights:
    """Of one asker: a caller, or a role that a warehouse reads with."""

    def __init__(self, cloud: Cloud, region: str, who: str) -> None:
        self._cloud, self._region, self._who = cloud, region, who
        self._access = Access(Records(cloud.store, cloud.account))
        self._glue = cloud.client("glue", region, LAKE)

    def answer(self, asked: Any) -> Params:
        """{} of a table that IAM alone decides of, or that is not there.

        asked: {"what": "table" or "partitions", "database", "name", "token"}, of a host that may be anything.
        """
        named = {key: str(asked.get(key) or "").lower() for key in ("database", "name")}
        sight = self._access.sight(self._region, self._who, named["database"], named["name"])
        if sight is None:
            return {}
        try:
            if asked.get("what") == "partitions":
                return self._partitions(named, sight, asked.get("token"))
            return self._table(named, sight)
        except ClientError as error:
            return {"reason": str(error.response["Error"].get("Message"))}

    def _table(self, named: dict[str, str], sight: Sight) -> Params:
        found = self._glue.get_table(DatabaseName=named["database"], Name=named["name"])["Table"]
        names = columns_of(found)
        cells: dict[str | None, Params] = {}
        for one in sight.cells:
            alike = cells.setdefault(one.rows, {"columns": [], "rows": one.rows, "used": sorted(one.used)})
            alike["columns"] = [name for name in names if name in alike["columns"] or one.shows(name)]
        seen, writes = bool(cells), sight.may("INSERT")
        return {
            "table": found if seen or writes else {},
            "cells": list(cells.values()),
            "whole": sight.whole,
            "writes": writes,
            "keys": self._keys(str((found.get("StorageDescriptor") or {}).get("Location") or ""), seen, writes),
        }

    def _partitions(self, named: dict[str, str], sight: Sight, token: Any) -> Params:
        if not sight.cells and not sight.may("INSERT"):
            return {}
        more = {"NextToken": token} if isinstance(token, str) and token else {}
        of = {"DatabaseName": named["database"], "TableName": named["name"]}
        found = self._glue.get_partitions(**of, **more, MaxResults=PAGE)
        return {"partitions": found["Partitions"], "token": found.get("NextToken")}

    def _keys(self, location: str, reads: bool, writes: bool) -> Params | None:
        """Keys of a registered place's role, good for the table's own folder; None: it is in no such place."""
        place = self._access.place(self._region, location)
        folder = things.place_of(location)
        if place is None or not (reads or writes) or set("*?$") & set(folder):
            return None
        bucket, _, prefix = folder.removeprefix("arn:aws:s3:::").partition("/")
        below = [f"{prefix}/*", f"{prefix}/", prefix] if prefix else ["*"]
        condition = {"StringLike": {"s3:prefix": below}}
        actions = [*(_READS if reads else []), *(_WRITES if writes else [])]
        statements = [
            {"Effect": "Allow", "Action": actions, "Resource": f"{folder}/*"},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{bucket}",
                "Condition": condition,
            },
            {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"},
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        sts = self._cloud.assuming(LAKE, self._region)
        named = {"RoleArn": place["RoleArn"], "RoleSessionName": "AWSLF-Session"}
        lent = sts.assume_role(**named, Policy=policy, DurationSeconds=3600)["Credentials"]
        keys = [lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"]]
        return {"bucket": bucket, "prefix": f"{prefix}/" if prefix else "", "keys": keys}
