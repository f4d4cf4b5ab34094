"""What moto takes for a function of Lambda, its code or a layer, held to AWS's rules and to what runs here.

Each check is given the arguments of a method of moto's, by name (checks.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from moto.awslambda import models
from moto.awslambda.utils import get_backend as backend_of
from moto.backends import get_backend

from sagelab.cloud.context import FUNCTIONS
from sagelab.cloud.engine.functions.destinations import DEAD_LETTERS, SERVICES
from sagelab.cloud.engine.functions.packages import LARGEST, TOO_LARGE, BadPackage
from sagelab.cloud.errors import InvalidFunctionValue, NotImplementedHere
from sagelab.cloud.gateway.auth import verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.verdict import Rights
from sagelab.cloud.gateway.moto import iam
from sagelab.cloud.gateway.moto.functions import FunctionAccess
from sagelab.cloud.gateway.moto.persistence.objects import Key as S3Object

Asked = dict[str, Any]

RUNTIME = re.compile(r"python3\.\d{1,2}")
MEMORY, TIMEOUT, STORAGE = (128, 10240), (1, 900), (512, 10240)
VARIABLES = 4096  # bytes of all of them
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_REGION|REGION|EXECUTION_ENV|LAMBDA_\w+|ACCESS_KEY(_ID)?"
    r"|SECRET_ACCESS_KEY|SESSION_TOKEN)|LAMBDA_(TASK_ROOT|RUNTIME_DIR)"
)
_RESERVED_WORDS = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
    " contains reserved keys that are currently not supported for modification. Reserved keys used in this"
    " request: {}"
)
_LARGE_WORDS = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
    " exceeded the 4KB limit. String measured: {}"
)
_RANGE = (
    "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must have value {} than"
    " or equal to {}"
)
_NO_RUNTIME = "A function with the runtime {} is not something the local cloud can do: it runs those of Python."
_NO_IMAGE = "A function of a container image is not something the local cloud can do. Make it of a zip file."
_ABSENT = ("FileSystemConfigs", "SnapStart", "DurableConfig", "CapacityProviderConfig", "TenancyConfig")
_NOT_HERE = "{} of a function is not something the local cloud can do."
_BAD_VARIABLE = "Value at 'environment' failed to satisfy constraint: {} is no name or has no value of a variable."
_NO_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
_NO_TRUST = "The role defined for the function cannot be assumed by Lambda."


def check_new(asked: Asked) -> Callable[[Any], None]:
    """A function that is to be: it could run here."""
    spec, record = asked["spec"], asked["self"]
    if spec.get("PackageType") == "Image" or "ImageUri" in spec.get("Code", {}):
        raise NotImplementedHere(_NO_IMAGE)
    for member in ("Runtime", "Handler"):
        if not spec.get(member):
            raise InvalidFunctionValue(f"{member} is mandatory for functions created with deployment packages.")
    _check(spec)
    _check_role(str(spec.get("Role")), asked["account_id"])
    record.layer_digests, record.logging, record.dead_letter = (), {}, None
    return lambda _: _note(record, spec)


def check_change(asked: Asked) -> Callable[[Any], None]:
    """What of a function's configuration is to be another."""
    record, updates = asked["self"], asked["config_updates"]
    _check(updates)
    if role := updates.get("Role"):
        _check_role(str(role), record.account_id)

    def then(described: dict[str, Any]) -> None:
        _note(record, updates)
        _renew(record)
        described.update(record.get_configuration())

    return then


def keep_code(asked: Asked) -> Callable[[Any], None] | None:
    """The code of a function: it can be unpacked, and is in a file of its own from now on."""
    record, spec = asked["self"], asked["updated_spec"]
    if spec.get("DryRun"):
        return None
    digest = _keep(spec, record.account_id)

    def then(_: Any) -> None:
        _take(record, digest)
        record.code.pop("ZipFile", None)
        _renew(record)
        FunctionAccess.current.pool.warm(record.region)  # before it is called

    return then


def keep_layer(asked: Asked) -> Callable[[Any], None]:
    """The same of a layer."""
    record, content = asked["self"], asked["spec"].get("Content") or {}
    digest = _keep(content, asked["account_id"])

    def then(_: Any) -> None:
        _take(record, digest)
        record.content = {name: value for name, value in record.content.items() if name != "ZipFile"}

    return then


def describe(asked: Asked) -> Callable[[Any], None]:
    """What moto does not tell of a function."""
    record = asked["self"]

    def then(described: dict[str, Any]) -> None:
        described["LoggingConfig"] = {"LogFormat": "Text", "LogGroup": record.logs_group_name} | record.logging
        if record.dead_letter:
            described["DeadLetterConfig"] = record.dead_letter

    return then


def tell_code(_: Asked) -> Callable[[Any], None]:
    """The address of AWS's that moto makes up for a function's code leads nowhere."""

    def then(told: dict[str, Any]) -> None:
        told.get("Code", {}).pop("Location", None)

    return then


def name_principal(_: Asked) -> Callable[[Any], None]:
    """Who is let in, as policies have it: moto leaves a user, a role or an account as it is given."""

    def then(added: tuple[dict[str, Any], str]) -> None:
        principal = added[0].get("Principal")
        if isinstance(principal, str) and principal != "*":
            whole = f"arn:aws:iam::{principal}:root" if principal.isdecimal() else principal
            added[0]["Principal"] = {"AWS": whole}

    return then


def put_events(asked: Asked) -> None:
    """What is put takes the place of what was there, which moto would go on with."""
    record = asked["self"].get_function(asked["function_name"])
    _check_destinations(asked["config"])
    record.event_invoke_config = []


def update_events(asked: Asked) -> None:
    """What is updated leaves the rest as it was."""
    record = asked["self"].get_function(asked["function_name"])
    before = record.event_invoke_config[0].config if record.event_invoke_config else {}
    asked["config"] = before | asked["config"]


def _check_destinations(config: dict[str, Any]) -> None:
    for kind in ("OnSuccess", "OnFailure"):
        arn = ((config.get("DestinationConfig") or {}).get(kind) or {}).get("Destination", "")
        if arn and arn.split(":")[2:3] and arn.split(":")[2] not in SERVICES:
            raise NotImplementedHere(_NOT_HERE.format(f"{kind} to {arn.split(':')[2]}"))


def forget(asked: Asked) -> Callable[[Any], None]:
    """A function or a version of it is deleted: nothing of it runs on."""
    storage = asked["self"]
    name = storage.get_function_by_name_or_arn_with_qualifier(asked["name_or_arn"], asked.get("qualifier"))
    return lambda _: _renew(name)


def _check(spec: dict[str, Any]) -> None:
    """What a new function and a change have in common."""
    for member in _ABSENT:
        if spec.get(member) and spec[member] != {"ApplyOn": "None"}:
            raise NotImplementedHere(_NOT_HERE.format(member))
    if (runtime := spec.get("Runtime")) and not RUNTIME.fullmatch(str(runtime)):
        raise NotImplementedHere(_NO_RUNTIME.format(runtime))
    target = str((spec.get("DeadLetterConfig") or {}).get("TargetArn") or "")
    if target and target.split(":")[2:3] not in [[service] for service in DEAD_LETTERS]:
        raise InvalidFunctionValue(f"The provided target ARN {target} is invalid.")
    if (spec.get("LoggingConfig") or {}).get("LogFormat", "Text") != "Text":
        raise NotImplementedHere(_NOT_HERE.format("A log in JSON"))
    _check_range("memorySize", spec.get("MemorySize"), MEMORY)
    _check_range("timeout", spec.get("Timeout"), TIMEOUT)
    _check_range("ephemeralStorage.size", (spec.get("EphemeralStorage") or {}).get("Size"), STORAGE)
    _check_variables((spec.get("Environment") or {}).get("Variables") or {})


def _check_range(name: str, value: Any, limits: tuple[int, int]) -> None:
    if value is None:
        return
    for within, words, limit in (
        (int(value) <= limits[1], "less", limits[1]),
        (int(value) >= limits[0], "greater", limits[0]),
    ):
        if not within:
            raise InvalidFunctionValue(_RANGE.format(value, name, words, limit))


def _check_variables(variables: dict[str, Any]) -> None:
    if reserved := [name for name in variables if RESERVED.fullmatch(name)]:
        raise InvalidFunctionValue(_RESERVED_WORDS.format(", ".join(reserved)))
    for name, value in variables.items():
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", name) or not isinstance(value, str) or "\0" in value:
            raise InvalidFunctionValue(_BAD_VARIABLE.format(name))
    if len(measured := json.dumps(variables, separators=(",", ":"))) > VARIABLES:
        raise InvalidFunctionValue(_LARGE_WORDS.format(measured))


def _check_role(role: str, account: str) -> None:
    """InvalidFunctionValue: it does not trust Lambda. That it is there is moto's to check."""
    needed = Needed("sts:AssumeRole", role)
    key = Key("", "", FUNCTIONS, "", account, service=FUNCTIONS)
    guarded = iam.guarded(needed, key)
    if guarded.policy and verdict.reach(key, Rights(), guarded, needed, {}).effect != "allowed":
        raise InvalidFunctionValue(_NO_TRUST)


def _note(record: Any, spec: dict[str, Any]) -> None:
    """Members that moto drops."""
    if "Layers" in spec:
        record.layer_digests = _digests(record)
    if "LoggingConfig" in spec:
        record.logging = dict(spec["LoggingConfig"] or {})
    if "DeadLetterConfig" in spec:
        asked = spec["DeadLetterConfig"] or {}
        record.dead_letter = asked if asked.get("TargetArn") else None
    for member, name in (("EphemeralStorage", "ephemeral_storage"), ("KMSKeyArn", "kms_key_arn")):
        if member in spec:
            setattr(record, name, spec[member]["Size"] if member == "EphemeralStorage" else spec[member])


def _digests(record: Any) -> tuple[str, ...]:
    """Of the layers that a function has. InvalidFunctionValue: they and its code are too large together."""
    backend, packages = backend_of(record.account_id, record.region), FunctionAccess.current.packages
    found = tuple(backend.layers_versions_by_arn(layer["Arn"]).code_digest for layer in record.layers)
    if packages.size([*found, record.code_digest]) > LARGEST:
        raise InvalidFunctionValue(
            f"Function code combined with layers exceeds the maximum allowed size of {LARGEST} bytes."
        )
    return found


def _keep(spec: dict[str, Any], account: str) -> str:
    """The digest of a zip file that a request brings or names. InvalidFunctionValue: there is no sound one."""
    if spec.get("ZipFile"):
        try:
            content: Iterable[bytes] = [base64.b64decode(spec["ZipFile"], validate=True)]
        except (binascii.Error, ValueError, TypeError):
            raise InvalidFunctionValue(_NO_ZIP) from None
    elif spec.get("S3Bucket") and spec.get("S3Key"):
        content = _fetch(spec, account)
    else:
        raise InvalidFunctionValue("Please provide a source for function code.")
    try:
        return FunctionAccess.current.packages.keep(content)
    except BadPackage as error:
        raise InvalidFunctionValue(str(error)) from None


def _fetch(spec: dict[str, Any], account: str) -> Iterable[bytes]:
    """The parts of an object of S3, which the caller may read (auth/actions.py)."""
    where = (spec["S3Bucket"], spec["S3Key"], spec.get("S3ObjectVersion"))
    words = "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}"
    backend = get_backend("s3")[account]["aws"]
    if where[0] not in backend.buckets:
        raise InvalidFunctionValue(words.format("NoSuchBucket", "The specified bucket does not exist"))
    found = backend.get_object(*where)
    if not isinstance(found, S3Object):
        raise InvalidFunctionValue(words.format("NoSuchKey", "The specified key does not exist."))
    if found.size > LARGEST:
        raise InvalidFunctionValue(TOO_LARGE)
    return found.content()


def _s3_content(key: Any) -> tuple[bytes, int, str, str]:
    """What moto keeps of code in S3, of which it would have all in memory: nothing but its size and digest."""
    made = hashlib.sha256()
    for part in key.content():
        made.update(part)
    return b"", key.size, base64.b64encode(made.digest()).decode(), made.hexdigest()


models._s3_content = _s3_content


def _take(record: Any, digest: str) -> None:
    """What moto tells of code is that of the file; its bytes lie there alone."""
    size = FunctionAccess.current.packages.packed(digest)
    record.code_digest, record.code_size, record.code_bytes = digest, size, b""
    record.code_sha_256 = base64.b64encode(bytes.fromhex(digest)).decode()


def _renew(record: Any) -> None:
    base = f"arn:aws:lambda:{record.region}:{record.account_id}:function:{record.function_name}"
    FunctionAccess.current.pool.renew(base)
