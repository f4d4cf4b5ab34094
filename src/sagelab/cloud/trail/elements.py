"""What a record tells of a request and of an answer: their members in camel case, no secrets, and of bounded size.

What is secret is told by botocore's models (`sensitive`) and, where they do not say it, by its name.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
ROOM = 100_000  # characters of requestParameters, and of responseElements
FAILED = 10_000  # of what was refused: whoever may do nothing is not to fill the history and push out what was
DEEPEST = 40
# Members by their names in small letters. Of a KMS key or a password's length nothing is secret.
_SECRET = frozenset(
    """
    authorizedurl presignedurl uploadurl secretaccesskey sessiontoken secretstring secretbinary
    plaintext ciphertextblob secretkey secrettoken authtoken hectoken presharedkey passwordverifier userdata
    ciphertextfordestination privatekey certificateprivatekey keymaterial base32stringseed qrcodepng
    authorizationtoken clientsecret zipfile x-amz-security-token x-amz-signature x-amz-credential signature
    awsaccesskeyid tokencode authenticationcode1 authenticationcode2 x-amz-server-side-encryption-customer-key
    x-amz-copy-source-server-side-encryption-customer-key
    """.split()
)
_SECRET_ENDS = ("password", "passphrase", "secret")  # of a name whose value is a text: "masterUserPassword"
# Service -> members that are hidden of it alone: scripts, variables of functions, what stands for a body.
_OF_SERVICE = {
    "sagemaker": frozenset({"oncreate", "onstart"}),
    "lambda": frozenset({"environment", "payload"}),
    "logs": frozenset({"logevents"}),
    "ssm": frozenset({"value"}),
    "comprehend": frozenset({"text"}),
    "redshift-data": frozenset({"sql", "sqls", "parameters"}),  # keys of COPY, passwords of users
    "cloudformation": frozenset({"parametervalue"}),
    "sqs": frozenset({"messagebody", "messageattributes", "entries"}),
    "sns": frozenset({"message", "subject", "messageattributes", "publishbatchrequestentries"}),
    "dynamodb": frozenset(
        {"item", "expressionattributevalues", "attributeupdates", "expected", "requestitems", "transactitems"}
        | {"statement", "statements", "transactstatements", "parameters"}
    ),
}


class TooLarge(Exception):
    """More than a record has room for."""


class _Teller:
    """service: whose request it is. room: characters that are left."""

    def __init__(self, service: str, room: int) -> None:
        self._secret = _SECRET | _OF_SERVICE.get(service, frozenset())
        self._room = room
        self._spell = str if service == "s3" else lower_first  # S3 tells of headers and XML as they are

    def tell(self, value: Any, shape: Shape | None, deep: int = 0) -> Any:
        self._take(1)  # also of what is empty
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, bytes | bytearray) or (shape is not None and shape.metadata.get("sensitive")):
            return HIDDEN
        if deep > DEEPEST:
            raise TooLarge
        if isinstance(value, Mapping):
            return self._members(value, shape, deep)
        if isinstance(value, list | tuple):
            inner = shape.member if isinstance(shape, ListShape) else None
            return [self.tell(one, inner, deep + 1) for one in value]
        return self._scalar(value)

    def _members(self, value: Mapping[Any, Any], shape: Shape | None, deep: int) -> dict[str, Any]:
        if isinstance(shape, MapShape):
            return {
                self._scalar(key): self._member(str(key), one, shape.value, deep) for key, one in value.items()
            }
        known = shape.members if isinstance(shape, StructureShape) else {}
        free = isinstance(shape, StructureShape) and getattr(shape, "is_document_type", False)
        found = {}
        for key, one in value.items():
            if one is not None:
                name = str(key) if free else self._spell(str(key))
                found[self._scalar(name)] = self._member(str(key), one, known.get(str(key)), deep)
        return found

    def _member(self, name: str, value: Any, shape: Shape | None, deep: int) -> Any:
        self._take(8)
        last = name.lower().rpartition(".")[2]  # of a form that no model reads
        secret = last in self._secret or (isinstance(value, str) and last.endswith(_SECRET_ENDS))
        return HIDDEN if secret and value else self.tell(value, shape, deep + 1)

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).strftime("%b %-d, %Y, %-I:%M:%S %p")
        if isinstance(value, int | float):
            self._take(20)
            return value
        text = str(value)
        self._take(len(text))
        return text

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise TooLarge


def told(
    service: str, value: Mapping[Any, Any] | None, shape: Shape | None = None, room: int = ROOM
) -> dict[str, Any] | None:
    """A request's or an answer's members; None where there are none.

    service: the name that it is signed for. shape: of botocore's; None: no model is at hand. room: in
    characters. More than there is room for is left out, as a whole.
    """
    if not value:
        return None
    try:
        found: dict[str, Any] = _Teller(service, room).tell(value, shape)
    except TooLarge:
        return {"omitted": True, "reason": "it is larger than a record has room for"}
    return found


def clipped(text: str, limit: int) -> str:
    """A text of a bounded length."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def lower_first(name: str) -> str:
    """CloudTrail's spelling of a member: "roleARN" of RoleARN, "vPCId" of VPCId, "kmsKeyId" of KmsKeyId."""
    return name[:1].lower() + name[1:]
