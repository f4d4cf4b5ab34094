"""What moto holds of rights: the policies of users, groups and roles, and those of buckets, roles and KMS keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from moto.backends import get_backend

from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.policies import Policy, read
from sagelab.cloud.gateway.auth.sources import Held, Source
from sagelab.cloud.gateway.auth.verdict import Guarded, Rights
from sagelab.cloud.gateway.moto import functions, grants
from sagelab.cloud.gateway.moto.keys import find_key
from sagelab.cloud.gateway.moto.persistence.objects import backend_of, bucket_of
from sagelab.cloud.holders import holder
from sagelab.cloud.home import ACCOUNT

# Kinds of ARNs of IAM's -> where moto has what they are of.
_KINDS = {
    "role": "roles",
    "user": "users",
    "group": "groups",
    "instance-profile": "instance_profiles",
    "access-key": "access_keys",
}
_BUCKET, _OF_AWS = "arn:aws:s3:::", "arn:aws:iam::aws:policy/"


def policies_of(arn: str) -> list[Policy] | None:
    """Every policy of the user or role that `arn` is, or is a session of. None: there is none such."""
    holder = _holder(arn)
    if holder is None:
        return None
    groups = _iam(arn).groups.values() if ":user/" in arn else ()
    holders = [holder, *(group for group in list(groups) if holder in group.users)]
    return [policy for one in holders for policy in _policies(one)]


def sources_of(arn: str) -> Held | None:
    """The policies of a user, a group or a role with their texts, and its boundary. None: there is none such."""
    kind, found = arn.rpartition(":")[2].partition("/")[0], _principal(arn)
    if found is None:
        return None
    groups = [one for one in list(_iam(arn).groups.values()) if kind == "user" and found in one.users]
    sources = [*_sources(kind, found), *(source for one in groups for source in _sources("group", one))]
    boundary = getattr(found, "permissions_boundary_arn", None)
    limits = _iam(arn).managed_policies.get(boundary) if boundary else None
    return sources, [*_texts(limits)] if limits else ([] if boundary else None)


def _principal(arn: str) -> Any:
    """The user, the group or the role that an ARN names, or None.

    A role of a service goes by its ARN without the path, too.
    """
    kind, name = arn.rpartition(":")[2].partition("/")[0], arn.rpartition("/")[2]
    if kind not in ("user", "role", "group"):
        return None
    plain = arn.replace(":role/service-role/", ":role/")
    found = _iam(arn).groups.get(name) if kind == "group" else _holder(arn) or _holder(plain)
    return found if found is not None and found.arn in (arn, plain) else None


def _sources(kind: str, holder: Any) -> Iterator[Source]:
    """The inline and attached policies of one, by the names that IAM's simulator has for them."""
    for name, document in list(holder.policies.items()):
        text = document if isinstance(document, str) else json.dumps(document)
        yield Source(f"{kind}_{holder.name}_{name}", _plain(text))
    for policy in list(holder.managed_policies.values()):
        yield from _texts(policy)


def _texts(policy: Any) -> Iterator[Source]:
    for one in policy.versions:
        if one.version_id == policy.default_version_id:
            text = one.document if isinstance(one.document, str) else json.dumps(one.document)
            yield Source(policy.name, _plain(text))


def _plain(text: str) -> str:
    return unquote(text) if text.startswith("%") else text


def rights_of(key: Key) -> Rights:
    """What the policies of a key's user, role and session let it do, and what limits them."""
    if key.owner:
        return Rights(None)
    if key.service:
        return Rights()
    holder, own = _holder(key.arn), policies_of(key.arn)
    if own is None or holder.id != key.user_id.partition(":")[0]:
        return Rights(gone=True)
    limits = []
    boundary = getattr(holder, "permissions_boundary_arn", None)
    if boundary:
        limits.append(("permissions boundary", _managed(key.arn, boundary)))
    if key.session_policy or key.session_policies:
        inline = [read(key.session_policy)] if key.session_policy else []
        managed = [policy for arn in key.session_policies for policy in _managed(key.arn, arn)]
        limits.append(("session policy", inline + managed))
    return Rights(own, tuple(limits))


def tags_of(key: Key) -> dict[str, list[str]]:
    """The tags of a key's user or role, as condition keys with their values."""
    tags = getattr(_holder(key.arn), "tags", None) or []
    return {f"aws:principaltag/{tag['Key'].lower()}": [tag["Value"]] for tag in tags}


def guarded(needed: Needed, key: Key) -> Guarded:
    """The policy of the resource that a request is about: a bucket's, a role's trust, a KMS key's."""
    resource = needed.resource or ""
    if resource.startswith(_BUCKET):
        found = bucket_of(resource.removeprefix(_BUCKET).partition("/")[0])
        return Guarded(read(found.policy.decode()) if found is not None and found.policy else None)
    if needed.action == "sts:AssumeRole":
        role = _holder(resource) if ":role/" in resource else None
        return Guarded(read(role.assume_role_policy_document) if role is not None else None, decides=True)
    if needed.action.startswith("lambda:") and ":function:" in resource:
        return Guarded(functions.policy_of(resource))
    if needed.action.startswith("kms:") and resource.startswith("arn:aws:kms:"):
        return _of_kms(needed, key)
    return Guarded()


def settled(needed: Needed) -> Needed:
    """What policies name: a key of KMS by its ARN and not by an alias, what is IAM's with its path."""
    if needed.action.startswith("iam:") and needed.action != "iam:PassRole":
        resource = needed.resource or ""
        simulated = _principal(resource) if needed.action.endswith("PrincipalPolicy") else None
        found = simulated.arn if simulated is not None else _by_name(resource)
        return replace(needed, resource=found) if found else needed
    if not (needed.action.startswith("kms:") and (needed.resource or "").startswith("arn:aws:kms:")):
        return needed
    _, _, _, region, account, name = str(needed.resource).split(":", 5)
    if name.startswith("grant/"):
        found = grants.key_of(account, region, name.removeprefix("grant/"))
    else:
        found = find_key(account, name, region) if name.startswith("alias/") else None
    return replace(needed, resource=found.arn) if found is not None else needed


def kms_key(named: str, where: str) -> str:
    """The ARN of the key of KMS that an id, an alias or an ARN of "REGION:ACCOUNT" names; else what it says."""
    start = f"arn:aws:kms:{where}:"
    name = named.removeprefix(start)
    if name.startswith("arn:"):
        return named
    plain = name.removeprefix("key/")
    region, _, account = where.partition(":")
    found = find_key(account, plain, region)
    if found is not None:
        return str(found.arn)
    return start + (plain if plain.startswith("alias/") else f"key/{plain}")


def object_tags(bucket: str, name: str, version: str | None) -> dict[str, str]:
    """The tags of an S3 object; none where it is not there."""
    holder, backend = bucket_of(bucket), backend_of(bucket)
    versions = holder.keys.getlist(name, []) if holder is not None else []
    found = next((one for one in reversed(versions) if version in (None, str(one.version_id))), None)
    arn = getattr(found, "arn", None)
    return dict(backend.tagger.get_tag_dict_for_resource(arn)) if arn else {}


def _by_name(arn: str) -> str | None:
    """The ARN of what IAM has by a name; of an access key, its user's."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind not in _KINDS or not name or "/" in name:
        return None
    held = list(getattr(_iam(arn), _KINDS[kind]).values())
    if kind == "access-key":
        owner = next((key.user_name for key in held if key.access_key_id == name), None)
        return _by_name(arn.replace(f"access-key/{name}", f"user/{owner}")) if owner else None
    return next((one.arn for one in held if one.name == name), None)


def _of_kms(needed: Needed, key: Key) -> Guarded:
    """Of a key that is there, with what grants let the caller do."""
    arn = str(needed.resource)
    _, _, _, region, account, _ = arn.split(":", 5)
    found = find_key(account, arn, region)
    if found is None:
        return Guarded()
    names = {key.arn, holder(key.arn)}
    granted = any(grants.lets(grant, names, needed) for grant in list(found.grants.values()))
    return Guarded(read(found.policy), decides=True, granted=frozenset({needed.action} if granted else ()))


def _holder(arn: str) -> Any:
    """The user or the role that an ARN names or is a session of, or None."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[4]:
        return None
    kind, _, path = parts[5].partition("/")
    name = path.partition("/")[0] if kind == "assumed-role" else path.rpartition("/")[2]
    if kind == "user":
        return _iam(arn).users.get(name)
    roles = [role for role in list(_iam(arn).roles.values()) if role.name == name]
    return next((role for role in roles if kind == "assumed-role" or role.arn == arn), None)


def _iam(arn: str) -> Any:
    return get_backend("iam")[arn.split(":")[4]]["aws"]


def roles_of_profile(account: str, name: str) -> list[str]:
    """The ARNs of the roles of an instance profile; none where there is none such."""
    profiles = list(get_backend("iam")[account]["aws"].instance_profiles.values())
    return [role.arn for profile in profiles if profile.name == name for role in profile.roles]


def session_id(role: str, session: str) -> str:
    """Who a session of a role is for good, role's id:session; another role by that name has another id."""
    found = _holder(role)
    return f"{found.id}:{session}" if found is not None else ""


def longest_session(arn: str) -> int:
    """Seconds that a session of a role may last."""
    return int(getattr(_holder(arn), "max_session_duration", None) or 3600)


def is_managed(arn: str, policy: str) -> bool:
    """Whether there is a managed policy of AWS's, or of the account that an ARN is of."""
    provide_policy(policy)
    return policy in _iam(arn).managed_policies


def provide_policy(arn: str) -> None:
    """Make a policy that AWS manages known to moto's IAM, which has none of them at first."""
    if not arn.startswith(_OF_AWS):
        return
    from moto.iam.aws_managed_policies import aws_managed_policies_data
    from moto.iam.models import AWSManagedPolicy

    known, name = get_backend("iam")[ACCOUNT]["aws"].managed_policies, arn.rpartition("/")[2]
    if arn not in known and (data := json.loads(aws_managed_policies_data).get(name)):
        policy = AWSManagedPolicy.from_data(name, ACCOUNT, "us-east-1", data)
        known[policy.arn] = policy


def _managed(arn: str, policy: str) -> list[Policy]:
    """A managed policy in the version that counts; none where it is gone, so that it lets nothing through."""
    found = _iam(arn).managed_policies.get(policy)
    return _versions(found) if found is not None else []


def _policies(holder: Any) -> list[Policy]:
    """The inline and attached policies of a user, group or role."""
    attached = [one for policy in list(holder.managed_policies.values()) for one in _versions(policy)]
    return [read(text) if isinstance(text, str) else text for text in list(holder.policies.values())] + attached


def _versions(policy: Any) -> list[Policy]:
    texts = [one.document for one in policy.versions if one.version_id == policy.default_version_id]
    return [read(text) if isinstance(text, str) else text for text in texts]
