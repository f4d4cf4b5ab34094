"""What a delivery stream is asked to do, read from its description: the form in which the engine has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MIB = 1 << 20
ENDINGS = {"GZIP": ".gz", "ZIP": ".zip", "HADOOP_SNAPPY": ".hsnappy"}
SIZE, INTERVAL = 5, 300  # MiB and seconds, where a stream says nothing
PARTITIONED_SIZE = 64
RETRY = 300  # seconds in which a partition's object is tried again
ATTEMPTS = 3  # retries of a function


@dataclass(frozen=True)
class Place:
    """Where objects go, and by whose rights."""

    role: str
    bucket: str
    prefix: str = ""
    error_prefix: str | None = None
    compression: str = "UNCOMPRESSED"
    key: str = ""

    @classmethod
    def of(cls, asked: dict[str, Any]) -> Place:
        sealed = (asked.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
        return cls(
            asked["RoleARN"],
            asked["BucketARN"].rpartition(":::")[2],
            asked.get("Prefix") or "",
            asked.get("ErrorOutputPrefix") or None,
            asked.get("CompressionFormat") or "UNCOMPRESSED",
            sealed.get("AWSKMSKeyARN") or "",
        )

    @property
    def seal(self) -> dict[str, str]:
        """What S3 is told of the key."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key} if self.key else {}


@dataclass(frozen=True)
class Function:
    """A Lambda function that transforms. size: bytes of records that it is given at a time."""

    arn: str
    role: str
    retries: int = ATTEMPTS
    size: int = MIB


@dataclass(frozen=True)
class Conversion:
    """asked: SchemaConfiguration. reading: of the deserializer. output: "parquet" or "orc". writing: of it."""

    asked: dict[str, Any]
    reading: dict[str, Any]
    output: str
    writing: dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """One version of a stream's destination. size: bytes, interval: seconds of the buffer."""

    name: str
    arn: str
    region: str
    version: str
    place: Place
    size: int
    interval: int
    zone: str = ""
    ending: str = ""
    backup: Place | None = None
    function: Function | None = None
    query: str = ""
    split: dict[str, str] = field(default_factory=dict)
    delimiter: bytes = b""
    conversion: Conversion | None = None
    partitioned: bool = False
    retry: int = RETRY
    log: tuple[str, str] = ("", "")
    source: dict[str, Any] = field(default_factory=dict)


def read(stream: dict[str, Any]) -> Settings:
    """stream: as DescribeDeliveryStream has it, with one destination."""
    told = stream["Destinations"][0]["ExtendedS3DestinationDescription"]
    hints, place = told["BufferingHints"], Place.of(told)
    dynamic = told.get("DynamicPartitioningConfiguration") or {}
    partitioned = bool(dynamic.get("Enabled"))
    backup = told.get("S3BackupDescription") if told.get("S3BackupMode") == "Enabled" else None
    logging = told.get("CloudWatchLoggingOptions") or {}
    return Settings(
        name=stream["DeliveryStreamName"],
        arn=stream["DeliveryStreamARN"],
        region=stream["DeliveryStreamARN"].split(":")[3],
        version=stream["VersionId"],
        place=place,
        size=hints["SizeInMBs"] * MIB,
        interval=hints["IntervalInSeconds"],
        zone=told.get("CustomTimeZone") or "",
        ending=told.get("FileExtension") or "",
        backup=Place.of(backup) if backup else None,
        conversion=_conversion(told.get("DataFormatConversionConfiguration") or {}),
        partitioned=partitioned,
        retry=(dynamic.get("RetryOptions") or {}).get("DurationInSeconds", RETRY),
        log=(logging["LogGroupName"], logging["LogStreamName"]) if logging.get("Enabled") else ("", ""),
        source=(stream.get("Source") or {}).get("KinesisStreamSourceDescription") or {},
        **_processing(told.get("ProcessingConfiguration") or {}, place.role),
    )


def processors(asked: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Type -> parameters, of those that are enabled."""
    if not asked.get("Enabled"):
        return {}
    return {
        one["Type"]: {each["ParameterName"]: each["ParameterValue"] for each in one.get("Parameters") or []}
        for one in asked.get("Processors") or []
    }


def _processing(asked: dict[str, Any], role: str) -> dict[str, Any]:
    found = processors(asked)
    made: dict[str, Any] = {"split": found.get("RecordDeAggregation", {})}
    if given := found.get("Lambda"):
        size = int(float(given.get("BufferSizeInMBs") or 1) * MIB)
        retries = int(given.get("NumberOfRetries") or ATTEMPTS)
        made["function"] = Function(given["LambdaArn"], given.get("RoleArn") or role, retries, size)
    if given := found.get("MetadataExtraction"):
        made["query"] = given["MetadataExtractionQuery"]
    if "AppendDelimiterToRecord" in found:
        made["delimiter"] = delimiter(found["AppendDelimiterToRecord"].get("Delimiter") or "\\n")
    return made


def delimiter(text: str) -> bytes:
    """The two characters of "\\n" stand for a new line."""
    return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").encode()


def _conversion(asked: dict[str, Any]) -> Conversion | None:
    if not asked or not asked.get("Enabled", True):
        return None
    reading = asked["InputFormatConfiguration"]["Deserializer"]
    writing = asked["OutputFormatConfiguration"]["Serializer"]
    kind = "ParquetSerDe" if writing.get("ParquetSerDe") is not None else "OrcSerDe"
    options = reading.get("OpenXJsonSerDe")
    told = {"openx": options is not None} | (options or reading.get("HiveJsonSerDe") or {})
    output = "parquet" if kind == "ParquetSerDe" else "orc"
    return Conversion(asked["SchemaConfiguration"], told, output, writing[kind])
