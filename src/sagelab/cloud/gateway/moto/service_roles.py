"""What a service does with the role that it is given: moto does it without asking.

https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import JsonRESTError

from sagelab.cloud.gateway.auth import verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.moto import iam

_FIREHOSE = "firehose.amazonaws.com"
_UNTRUSTED = "Firehose is unable to assume role {}. Please check the role provided."


def check_put(asked: dict[str, Any]) -> None:
    """Firehose writes with its role's rights: the role trusts it, and may put objects where they go."""
    place = asked["s3_destination"]
    role, bucket, prefix = str(place.get("RoleARN")), str(place.get("BucketARN")), place.get("Prefix", "")
    parts = role.split(":", 5)
    account = parts[4] if len(parts) == 6 else ""
    known = {"aws:sourceaccount": [account], "sts:externalid": [account]}
    if not _may(Key("", "", _FIREHOSE, "", account, service=_FIREHOSE), Needed("sts:AssumeRole", role, known)):
        raise JsonRESTError("InvalidArgumentException", _UNTRUSTED.format(role))
    session = f"arn:aws:sts::{account}:assumed-role/{role.rpartition('/')[2]}/Firehose"
    needed = Needed("s3:PutObject", f"{bucket}/{prefix}record")
    if not _may(Key("", "", session, iam.session_id(role, "Firehose"), account), needed):
        words = f"User: {session} is not authorized to perform: s3:PutObject on resource: {bucket}/{prefix}*"
        raise JsonRESTError("AccessDeniedException", words)


def _may(key: Key, needed: Needed) -> bool:
    rights, resource = iam.rights_of(key), iam.guarded(needed, key)
    return verdict.reach(key, rights, resource, needed, needed.context).effect == "allowed"
