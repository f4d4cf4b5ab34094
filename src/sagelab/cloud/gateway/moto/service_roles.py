"""What a service does with the role that it is given, or with the rights of who asks: moto does it without asking.

Each check is given the arguments of a method of moto's, by name (checks.py).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Requesting.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from moto.logs.exceptions import InvalidParameterException

from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.auth import principals, verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.moto import hook, iam

_NOT_TAKEN = (
    "PutObject call on the given bucket failed. Please check if CloudWatch Logs has been granted permission to"
    " perform this operation."
)


def check_template(asked: dict[str, Any]) -> None:
    """CloudFormation reads a template in S3 with the rights of who names it."""
    place = urlsplit(str(asked["template_url"]))
    host, path = place.hostname or "", place.path.lstrip("/")
    if host.endswith(".amazonaws.com") and not host.startswith("s3"):
        path = f"{host.partition('.')[0]}/{path}"
    elif not host.endswith(".amazonaws.com") and host not in ("127.0.0.1", "localhost"):
        from moto.cloudformation.exceptions import ValidationError  # takes half of moto with it

        raise ValidationError(message="TemplateURL must be a supported URL.")
    _check_asking(Needed("s3:GetObject", f"arn:aws:s3:::{path}"))
    asked["template_url"] = f"https://s3.amazonaws.com/{path}"


def check_parameter(asked: dict[str, Any]) -> None:
    """CloudFormation reads a parameter of SSM's with the rights of who names it."""
    where = f"{asked['self']._region_name}:{asked['self']._account_id}"
    name = str(asked["value"]).removeprefix("/")
    _check_asking(Needed("ssm:GetParameters", f"arn:aws:ssm:{where}:parameter/{name}"))


def check_import(asked: dict[str, Any]) -> None:
    """DynamoDB reads what it imports with the rights of who asks."""
    source = asked["s3_source"]
    bucket = f"arn:aws:s3:::{source.get('S3Bucket')}"
    _check_asking(Needed("s3:ListBucket", bucket))
    _check_asking(Needed("s3:GetObject", f"{bucket}/{source.get('S3KeyPrefix', '')}*"))


def check_export(asked: dict[str, Any]) -> None:
    """DynamoDB writes what it exports with the rights of who asks."""
    _check_asking(Needed("s3:PutObject", f"arn:aws:s3:::{asked['s3_bucket']}/{asked['s3_prefix'] or ''}export"))


def check_log_export(asked: dict[str, Any]) -> None:
    """Logs writes to a bucket whose policy lets it."""
    region, account = asked["self"].region_name, asked["self"].account_id
    known = {"aws:sourceaccount": [account], "aws:sourcearn": [f"arn:aws:logs:{region}:{account}:log-group:*"]}
    needed = Needed("s3:PutObject", f"arn:aws:s3:::{asked['destination']}/{asked['destinationPrefix']}/log", known)
    names = ("logs.amazonaws.com", f"logs.{region}.amazonaws.com")
    if not any(_may(Key("", "", name, "", account, service=name), needed) for name in names):
        raise InvalidParameterException(_NOT_TAKEN)


def _check_asking(needed: Needed) -> None:
    """AccessDenied: who sent the request of this thread may not do what a service would do for it."""
    context = hook.asked()
    if context is None:
        return
    key = context.caller.key
    known = dict(principals.values(context.caller, context.request)) | iam.tags_of(key)
    found = verdict.reach(key, iam.rights_of(key), iam.guarded(needed, key), needed, known)
    if found.effect != "allowed":
        raise AccessDenied(verdict.denial(key.arn, needed, found))


def may_as(service: str, role: str, needed: Needed) -> bool:
    """Whether a role trusts a service, and lets it do something then."""
    parts = role.split(":", 5)
    account = parts[4] if len(parts) == 6 else ""
    known = {"aws:sourceaccount": [account]}
    if not _may(Key("", "", service, "", account, service=service), Needed("sts:AssumeRole", role, known)):
        return False
    session = f"arn:aws:sts::{account}:assumed-role/{role.rpartition('/')[2]}/Service"
    return _may(Key("", "", session, iam.session_id(role, "Service"), account), needed)


def _may(key: Key, needed: Needed) -> bool:
    rights, resource = iam.rights_of(key), iam.guarded(needed, key)
    return verdict.reach(key, rights, resource, needed, needed.context).effect == "allowed"
