"""What a delivery stream may be, in Firehose's words; and how its destination is described.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from zoneinfo import ZoneInfo

from sagelab.cloud.engine.firehose import prefixes
from sagelab.cloud.engine.firehose.prefixes import KEYS, BadPrefix
from sagelab.cloud.engine.firehose.settings import INTERVAL, PARTITIONED_SIZE, RETRY, SIZE, processors
from sagelab.cloud.resources.call import Beside, Params

CONVERTED_SIZE = 128  # MiB, where a stream that converts says nothing
_FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?", re.ASCII)
_NOT_HERE = "{} is not something the local cloud's Firehose can do: {}"
_REFUSED = {
    "Decompression": "have a function of Lambda's unpack records.",
    "CloudWatchLogProcessing": "have a function of Lambda's take the messages out.",
}


def invalid(message: str) -> Beside:
    return Beside("InvalidArgumentException", message)


def refused(what: str, instead: str) -> Beside:
    return invalid(_NOT_HERE.format(what, instead))


def describe(asked: Params, before: Params | None = None) -> Params:
    """The description of a destination in S3. before: of what is changed. Beside: it cannot be."""
    told = dict(before or {})
    told |= {
        name: value for name, value in asked.items() if name not in ("S3BackupConfiguration", "S3BackupUpdate")
    }
    backup = asked.get("S3BackupConfiguration") or asked.get("S3BackupUpdate")
    if backup:
        told["S3BackupDescription"] = _usual((told.get("S3BackupDescription") or {}) | backup)
    converts = _enabled(told.get("DataFormatConversionConfiguration"))
    partitioned = (told.get("DynamicPartitioningConfiguration") or {}).get("Enabled", False)
    size = CONVERTED_SIZE if converts else PARTITIONED_SIZE if partitioned else SIZE
    if before is not None:
        was = (before.get("DynamicPartitioningConfiguration") or {}).get("Enabled", False)
        if was != partitioned:
            raise invalid("Enabling or disabling Dynamic Partitioning is not supported in UpdateDestination.")
    told = _usual(told, size)
    told.setdefault("S3BackupMode", "Disabled")
    _check(told, converts, partitioned)
    if partitioned:
        dynamic = dict(told["DynamicPartitioningConfiguration"])
        dynamic["RetryOptions"] = {"DurationInSeconds": RETRY} | (dynamic.get("RetryOptions") or {})
        told["DynamicPartitioningConfiguration"] = dynamic
    return told


def _enabled(conversion: Any) -> bool:
    return bool(conversion) and bool(conversion.get("Enabled", True))


def _usual(told: Params, size: int = SIZE) -> Params:
    hints = told.get("BufferingHints") or {}
    if ("SizeInMBs" in hints) != ("IntervalInSeconds" in hints):
        raise invalid("BufferingHints: both SizeInMBs and IntervalInSeconds have to be given, or neither.")
    return told | {
        "BufferingHints": {"SizeInMBs": size, "IntervalInSeconds": INTERVAL} | hints,
        "CompressionFormat": told.get("CompressionFormat") or "UNCOMPRESSED",
        "EncryptionConfiguration": told.get("EncryptionConfiguration") or {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": told.get("CloudWatchLoggingOptions") or {"Enabled": False},
    }


def _check(told: Params, converts: bool, partitioned: bool) -> None:
    _check_place(told, converts, partitioned)
    if told.get("S3BackupMode") == "Enabled":
        if not told.get("S3BackupDescription"):
            raise invalid("S3BackupConfiguration is required when S3BackupMode is Enabled.")
        _check_backup(told["S3BackupDescription"])
    found = _check_processors(told.get("ProcessingConfiguration") or {})
    _check_partitions(told, found, partitioned)
    if converts:
        _check_conversion(told["DataFormatConversionConfiguration"], told)


def _check_place(told: Params, converts: bool, partitioned: bool) -> None:
    hints = told["BufferingHints"]
    if told["CompressionFormat"] == "Snappy":
        raise refused("The compression Snappy", "HADOOP_SNAPPY, GZIP and ZIP are.")
    least = 64 if converts or partitioned else 1
    if hints["SizeInMBs"] < least:
        what = "data format conversion" if converts else "Dynamic Partitioning"
        raise invalid(f"BufferingHints.SizeInMBs must be at least 64 when {what} is enabled.")
    if partitioned and hints["IntervalInSeconds"] == 0:
        raise invalid("BufferingHints.IntervalInSeconds cannot be 0 when Dynamic Partitioning is enabled.")
    try:
        prefixes.check(told.get("Prefix") or "", told.get("ErrorOutputPrefix"))
    except BadPrefix as error:
        raise invalid(str(error)) from None
    if zone := told.get("CustomTimeZone"):
        _check_zone(zone)
    options = told["CloudWatchLoggingOptions"]
    if options.get("Enabled") and not (options.get("LogGroupName") and options.get("LogStreamName")):
        raise invalid("LogGroupName and LogStreamName are required when CloudWatch logging is enabled.")


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise invalid(f"The time zone {zone} is not supported.") from None


def _check_backup(told: Params) -> None:
    if told["CompressionFormat"] == "Snappy":
        raise refused("The compression Snappy", "HADOOP_SNAPPY, GZIP and ZIP are.")
    try:
        found = prefixes.expressions(told.get("Prefix") or "")
    except BadPrefix as error:
        raise invalid(str(error)) from None
    if any(namespace in KEYS or value == prefixes.ERROR_TYPE for namespace, value in found):
        raise invalid("The prefix of a backup cannot contain partition keys, nor error-output-type.")


def _check_processors(asked: Params) -> dict[str, dict[str, str]]:
    found = processors(asked)
    types = [one["Type"] for one in asked.get("Processors") or []]
    if len(types) != len(set(types)):
        raise invalid("A processor of a type can be there once.")
    for kind, instead in _REFUSED.items():
        if kind in found:
            raise refused(f"The processor {kind}", instead)
    if "Lambda" in found:
        _check_function(found["Lambda"])
    if "RecordDeAggregation" in found:
        _check_split(found["RecordDeAggregation"])
    if "MetadataExtraction" in found:
        given = found["MetadataExtraction"]
        if not given.get("MetadataExtractionQuery") or given.get("JsonParsingEngine") != "JQ-1.6":
            raise invalid(
                "MetadataExtraction needs a MetadataExtractionQuery, and JQ-1.6 as its JsonParsingEngine."
            )
    return found


def _check_function(given: dict[str, str]) -> None:
    if not _FUNCTION.fullmatch(given.get("LambdaArn", "")):
        raise invalid("The Lambda processor needs the LambdaArn of a function.")
    for name, least, most in (
        ("BufferSizeInMBs", 0.2, 3),
        ("BufferIntervalInSeconds", 0, 900),
        ("NumberOfRetries", 0, 300),
    ):
        try:
            value = float(given.get(name, least))
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise invalid(f"{name} of the Lambda processor must be between {least} and {most}.")


def _check_split(given: dict[str, str]) -> None:
    kind = given.get("SubRecordType")
    if kind not in ("JSON", "DELIMITED"):
        raise invalid("SubRecordType must be JSON or DELIMITED.")
    try:
        sound = kind == "JSON" or bool(base64.b64decode(given.get("Delimiter", ""), validate=True))
    except (ValueError, binascii.Error):
        sound = False
    if not sound:
        raise invalid("The Delimiter of DELIMITED records must be a string in base64.")


def _check_partitions(told: Params, found: dict[str, dict[str, str]], partitioned: bool) -> None:
    try:
        wanted = prefixes.wanted_keys(told.get("Prefix") or "")
    except BadPrefix as error:
        raise invalid(str(error)) from None
    if not partitioned:
        if wanted:
            raise invalid(
                "S3 Prefix cannot contain Dynamic Partitioning namespaces when Dynamic Partitioning is disabled."
            )
        if named := found.keys() & {"MetadataExtraction", "RecordDeAggregation"}:
            raise invalid(f"{min(named)} processor is not supported when Dynamic Partitioning is disabled.")
        return
    if not wanted:
        raise invalid(
            "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled."
        )
    for namespace, processor in (
        ("partitionKeyFromQuery", "MetadataExtraction"),
        ("partitionKeyFromLambda", "Lambda"),
    ):
        if namespace in wanted and processor not in found:
            raise invalid(f"{processor} processor should be present when S3 Prefix has {namespace} namespace.")


def _check_conversion(asked: Params, told: Params) -> None:
    if told["CompressionFormat"] != "UNCOMPRESSED":
        raise invalid("Compression format should be UNCOMPRESSED when data format conversion is enabled.")
    schema = asked.get("SchemaConfiguration") or {}
    if not (schema.get("DatabaseName") and schema.get("TableName")):
        raise invalid("SchemaConfiguration needs DatabaseName and TableName.")
    reading = (asked.get("InputFormatConfiguration") or {}).get("Deserializer") or {}
    writing = (asked.get("OutputFormatConfiguration") or {}).get("Serializer") or {}
    for one, names in ((reading, ("OpenXJsonSerDe", "HiveJsonSerDe")), (writing, ("ParquetSerDe", "OrcSerDe"))):
        if sum(one.get(name) is not None for name in names) != 1:
            raise invalid(f"Exactly one of {' and '.join(names)} has to be given.")
    formats = (reading.get("HiveJsonSerDe") or {}).get("TimestampFormats") or []
    if set(formats) - {"millis"}:
        raise refused("TimestampFormats", "times in ISO 8601, in seconds and in milliseconds are read.")
