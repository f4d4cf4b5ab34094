"""What an endpoint of DMS may be: its engine, its server, and its S3Settings as the host of a task is told them.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html#CHAP_Target.S3.Configuring
"""

from __future__ import annotations

import re
from typing import Any

from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.replication_records import combination, invalid

POSTGRES, SQLITE, S3 = ("postgres", "aurora-postgresql"), "sqlite", "s3"
DISPLAYED = {
    "postgres": "PostgreSQL",
    "aurora-postgresql": "Amazon Aurora PostgreSQL",
    SQLITE: "SQLite",
    S3: "Amazon S3",
}
DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
LONGEST = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SERVER = ("Username", "Password", "ServerName", "Port", "DatabaseName")
_NOT_HERE = "{} is not something the local cloud's DMS can do."
# S3Settings that are done, each with what it is where nothing is said (None: nothing).
_DONE: dict[str, Any] = {
    "ServiceAccessRoleArn": None,
    "BucketName": None,
    "BucketFolder": "",
    "CsvRowDelimiter": "\\n",
    "CsvDelimiter": ",",
    "CompressionType": "none",
    "EncryptionMode": "sse-s3",
    "ServerSideEncryptionKmsKeyId": None,
    "DataFormat": "csv",
    "IncludeOpForFullLoad": False,
    "CdcInsertsOnly": False,
    "CdcInsertsAndUpdates": False,
    "TimestampColumnName": "",
    "ParquetTimestampInMillisecond": False,
    "DatePartitionEnabled": False,
    "DatePartitionSequence": "YYYYMMDD",
    "DatePartitionDelimiter": "SLASH",
    "UseCsvNoSupValue": False,
    "CsvNoSupValue": "",
    "AddColumnName": False,
    "CdcMaxBatchInterval": 60,
    "CdcMinFileSize": 32_000,
    "MaxFileSize": 1_048_576,
    "CsvNullValue": "NULL",
    "Rfc4180": True,
}
# Those that are taken as they are on AWS where nothing is said, and refused otherwise.
_USUAL: dict[str, tuple[Any, ...]] = {
    "EnableStatistics": (True,),
    "EncodingType": ("rle-dictionary",),
    "ParquetVersion": ("parquet-1-0",),
    "PreserveTransactions": (False,),
    "CannedAclForObjects": ("none",),
    "UseTaskStartTimeForFullLoadTimestamp": (False,),
    "AddTrailingPaddingCharacter": (False,),
    "GlueCatalogGeneration": (False,),
    "IgnoreHeaderRows": (0,),
}
_ENUMS = {
    "CompressionType": ("none", "gzip"),
    "EncryptionMode": ("sse-s3", "sse-kms"),
    "DataFormat": ("csv", "parquet"),
    "EncodingType": ("plain", "plain-dictionary", "rle-dictionary"),
    "ParquetVersion": ("parquet-1-0", "parquet-2-0"),
}
_SEQUENCES = {
    "YYYYMMDD": ("%Y", "%m", "%d"),
    "YYYYMMDDHH": ("%Y", "%m", "%d", "%H"),
    "YYYYMM": ("%Y", "%m"),
    "MMYYYYDD": ("%m", "%Y", "%d"),
    "DDMMYYYY": ("%d", "%m", "%Y"),
}
_DELIMITERS = {"SLASH": "/", "UNDERSCORE": "_", "DASH": "-", "NONE": ""}
_BOUNDS = {
    "CdcMaxBatchInterval": (1, 1_000_000),
    "CdcMinFileSize": (1, 100_000_000),
    "MaxFileSize": (1, 1_048_576),
}
_PLAIN = (False, "no-preference", "test-decoding", "password")
_IDLE = ("captureddls", "heartbeatenable", "executetimeout", "pluginname", "failtasksonlobtruncation")


def check(params: Params) -> Params:
    """An endpoint's members as they are kept, with its password. Beside: it cannot be."""
    engine, kind = params["EngineName"].lower(), params["EndpointType"].lower()
    known = {"source": (*POSTGRES, SQLITE), "target": (S3,)}.get(kind)
    if known is None:
        raise invalid(f"Invalid endpoint type: {kind[:60]}")
    if engine not in known:
        raise invalid(
            f"The engine {engine[:60]} is no {kind} of the local cloud's DMS: sources are postgres,"
            " aurora-postgresql and sqlite, the target is s3."
        )
    for refused in ("CertificateArn", "ExternalTableDefinition"):
        if params.get(refused):
            raise invalid(_NOT_HERE.format(refused))
    found: Params = {"EngineName": engine, "EndpointType": kind, "EngineDisplayName": DISPLAYED[engine]}
    if engine == S3:
        return found | {"S3Settings": _settings(params), "SslMode": "none"}
    if engine == SQLITE:
        return found | {"DatabaseName": _database(params), "SslMode": "none"}
    return found | _server(params)


def _database(params: Params) -> str:
    """The name of a file of the home: no path leads anywhere by it."""
    name = str(params.get("DatabaseName") or "")
    if not DATABASE.fullmatch(name):
        raise invalid("The DatabaseName of sqlite is that of a file databases/NAME/NAME.db in the home.")
    return name


def _server(params: Params) -> Params:
    own = params.get("PostgreSQLSettings") or {}
    for name, value in own.items():
        usual = name in _SERVER or name.lower() in _IDLE or value in _PLAIN
        if value is not None and not usual:
            raise invalid(_NOT_HERE.format(f"PostgreSQLSettings.{name}"))
    for name, value in _attributes(params).items():
        if name not in _IDLE or (name == "pluginname" and value.lower() not in ("test_decoding", "no_preference")):
            raise invalid(_NOT_HERE.format(f"The extra connection attribute {name[:60]}"))
    found: Params = {name: own.get(name, params.get(name)) for name in _SERVER}
    for name in _SERVER:
        if found[name] in (None, ""):
            raise combination(f"{name} is required for the engine {params['EngineName']}.")
        # Of these a message to the server is made, whatever listens there.
        if name != "Port" and (_CONTROL.search(found[name]) or len(found[name]) > LONGEST):
            raise invalid(f"{name} has characters that it cannot have, or too many.")
    if not 0 < found["Port"] < 1 << 16:
        raise invalid("Port must be between 1 and 65535.")
    mode = params.get("SslMode") or "none"
    if mode not in ("none", "require"):
        raise invalid(_NOT_HERE.format(f"The SslMode {mode[:60]}"))
    return found | {"SslMode": mode, "ExtraConnectionAttributes": params.get("ExtraConnectionAttributes")}


def _attributes(params: Params) -> dict[str, str]:
    """Extra connection attributes: "dataFormat=parquet;addColumnName=true"."""
    found = dict[str, str]()
    for part in (params.get("ExtraConnectionAttributes") or "").split(";"):
        name, equal, value = part.partition("=")
        if part.strip() and not equal:
            raise invalid(f"Invalid extra connection attribute: {part[:60]}")
        if equal:
            found[name.strip().lower()] = value.strip(" ") if value.strip() else value
    return found


def _settings(params: Params) -> Params:
    """S3Settings as they are told."""
    asked = dict(params.get("S3Settings") or {})
    if params.get("ServiceAccessRoleArn"):
        asked.setdefault("ServiceAccessRoleArn", params["ServiceAccessRoleArn"])
    names = {name.lower(): name for name in (*_DONE, *_USUAL)}
    for name, value in _attributes(params).items():
        if name not in names:
            raise invalid(_NOT_HERE.format(f"The extra connection attribute {name[:60]}"))
        asked[names[name]] = _read(names[name], value)
    found = {name: value for name, value in _DONE.items() if value is not None}
    for name, value in asked.items():
        if value is None:
            continue
        if name in _ENUMS:
            value = str(value).lower().replace("_", "-")
            if value not in _ENUMS[name]:
                raise invalid(f"{name} must be one of {', '.join(_ENUMS[name])}.")
        if name in _USUAL and value not in _USUAL[name] and str(value).lower() not in _USUAL[name]:
            raise invalid(_NOT_HERE.format(f"S3Settings.{name} {value}"))
        if name not in _DONE and name not in _USUAL:
            raise invalid(_NOT_HERE.format(f"S3Settings.{name}"))
        found[name] = value
    _check_settings(found)
    return found


def _read(name: str, value: str) -> Any:
    usual = _DONE.get(name, (_USUAL.get(name) or ("",))[0])
    if isinstance(usual, bool):
        return value.lower() in ("true", "y", "yes", "1")
    if isinstance(usual, int):
        if not value.isdigit() or len(value) > 12:
            raise invalid(f"{name} must be a number.")
        return int(value)
    return value


def _check_settings(found: Params) -> None:
    for name in ("ServiceAccessRoleArn", "BucketName"):
        if not found.get(name):
            raise combination(f"The S3Settings of an endpoint need a {name}.")
    for name, (least, most) in _BOUNDS.items():
        if not least <= found[name] <= most:
            raise invalid(f"{name} must be between {least} and {most}.")
    if found["CdcInsertsOnly"] and found["CdcInsertsAndUpdates"]:
        raise combination(
            "CdcInsertsOnly and CdcInsertsAndUpdates can't both be set to true for the same endpoint."
        )
    if str(found["DatePartitionSequence"]).upper() not in _SEQUENCES:
        raise invalid(f"DatePartitionSequence must be one of {', '.join(_SEQUENCES)}.")
    if str(found["DatePartitionDelimiter"]).upper() not in _DELIMITERS:
        raise invalid(f"DatePartitionDelimiter must be one of {', '.join(_DELIMITERS)}.")
    if found["EncryptionMode"] == "sse-kms" and not found.get("ServerSideEncryptionKmsKeyId"):
        raise combination("ServerSideEncryptionKmsKeyId is required where EncryptionMode is SSE_KMS.")
    for name in ("CsvDelimiter", "CsvRowDelimiter"):
        if not 0 < len(_unescaped(found[name])) <= 10 or '"' in found[name]:
            raise invalid(f"{name} has between 1 and 10 characters, and no quote.")
    if _unescaped(found["CsvDelimiter"]) == _unescaped(found["CsvRowDelimiter"]):
        raise invalid("CsvDelimiter and CsvRowDelimiter must differ.")


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")


def form(settings: Params) -> Params:
    """How files are written, as their host is told (sagelab.replication.files.Form)."""
    sequence = _SEQUENCES[str(settings["DatePartitionSequence"]).upper()]
    joined = _DELIMITERS[str(settings["DatePartitionDelimiter"]).upper()].join(sequence) + "/"
    return {
        "format": settings["DataFormat"],
        "delimiter": _unescaped(settings["CsvDelimiter"]),
        "row_delimiter": _unescaped(settings["CsvRowDelimiter"]),
        "null": settings["CsvNullValue"],
        "unknown": settings["CsvNoSupValue"] if settings["UseCsvNoSupValue"] else None,
        "header": settings["AddColumnName"],
        "quoted": settings["Rfc4180"],
        "gzip": settings["CompressionType"] == "gzip",
        "timestamp": settings["TimestampColumnName"],
        "op": settings["IncludeOpForFullLoad"],
        "millis": settings["ParquetTimestampInMillisecond"],
        "inserts": settings["CdcInsertsOnly"],
        "updates": settings["CdcInsertsAndUpdates"],
        "dates": joined if settings["DatePartitionEnabled"] else "",
        "largest": settings["MaxFileSize"] << 10,
        "batch": settings["CdcMinFileSize"] << 10,
        "interval": settings["CdcMaxBatchInterval"],
    }


def seal(settings: Params) -> Params:
    """How objects are encrypted."""
    if settings["EncryptionMode"] == "sse-kms":
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings["ServerSideEncryptionKmsKeyId"]}
    return {"ServerSideEncryption": "AES256"}
