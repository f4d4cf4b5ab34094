"""Columns whose records are of several types: a choice is a structure with a member for each, of which one is set.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-transforms-ResolveChoice.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 # as all name it
from pyspark.sql.types import StructType

if TYPE_CHECKING:
    from sagelab.spark.awsglue.sources import Source

MARK = {"sagelab.choice": True}  # in a column's metadata
# Glue's names of types -> Spark's.
TYPES = {"long": "bigint", "short": "smallint", "byte": "tinyint", "integer": "int"}
_NAMES = {"bigint": "long", "smallint": "short", "tinyint": "byte"}
_OF_JSON = {"BIGINT": "long", "DOUBLE": "double", "STRING": "string", "BOOLEAN": "boolean"}
_INT, _LONG = range(-(1 << 31), 1 << 31), "bigint"


def spark_type(name: str) -> str:
    return TYPES.get(name.strip().lower(), name.strip())


def glue_type(name: str) -> str:
    return _NAMES.get(name, name)


def members(frame: DataFrame) -> dict[str, list[str]]:
    """Each column that is a choice -> its types."""
    return {
        one.name: [each.name for each in one.dataType.fields]
        for one in frame.schema.fields
        if one.metadata.get("sagelab.choice") and isinstance(one.dataType, StructType)
    }


def made(name: str, parts: dict[str, Column]) -> Column:
    """A choice of these types, of which the first that is set counts."""
    return F.struct(*(column.alias(kind) for kind, column in parts.items())).alias(name, metadata=MARK)


def typed(frame: DataFrame, types: dict[str, str]) -> DataFrame:
    """Columns of text as a catalogue has them; one with values of no such type is a choice with string."""
    named = {name: spark_type(kind) for name, kind in types.items()}
    wanted = {name: kind for name, kind in named.items() if kind != "string" and name in frame.columns}
    if not wanted:
        return frame
    casts = {name: F.col(f"`{name}`").try_cast(kind) for name, kind in wanted.items()}
    bad = [
        F.count_if(cast.isNull() & F.col(f"`{name}`").isNotNull() & (F.trim(F.col(f"`{name}`")) != "")).alias(name)
        for name, cast in casts.items()
    ]
    counts = frame.agg(*bad).first()
    columns = []
    for name in frame.columns:
        if name not in casts:
            columns.append(F.col(f"`{name}`"))
        elif not counts or not counts[name]:
            columns.append(casts[name].alias(name))
        else:
            text = F.when(casts[name].isNull(), F.col(f"`{name}`"))
            columns.append(made(name, {glue_type(wanted[name]): casts[name], "string": text}))
    return frame.select(*columns)


def of_json(spark: SparkSession, reader: Any, uris: list[str], options: dict[str, Any]) -> Source:
    """JSON, a record a line, or `multiline`. Columns with numbers and texts are choices; deeper ones are texts."""
    from sagelab.spark.awsglue.sources import CORRUPT, Source

    if options.get("jsonPath"):
        raise ValueError("format_options jsonPath is not something the local cloud can do")
    settings: dict[str, Any] = {"columnNameOfCorruptRecord": CORRUPT}
    if str(options.get("multiline", options.get("multiLine", False))).lower() == "true":
        settings["multiLine"] = True
        return Source(reader.options(**settings).load(uris, format="json"))
    found = reader.options(**settings).load(uris, format="json")
    if CORRUPT not in found.columns:
        found = reader.options(**settings).schema(found.schema.add(CORRUPT, "string")).load(uris, format="json")
    found = found.cache()
    bad = found.where(F.col(CORRUPT).isNotNull()).select(F.col(CORRUPT).alias("record"))
    good = found.where(F.col(CORRUPT).isNull()).drop(CORRUPT)
    mixed = _mixed(spark, uris)
    texts = [one for one, kind in good.dtypes if kind == "string" and one in mixed]
    return Source(_with_choices(reader, uris, good, {one: mixed[one] for one in texts}), bad)


def _variants(reader: Any, uris: list[str]) -> DataFrame:
    lines: DataFrame = reader.load(uris, format="text")
    return lines.withColumn("value", F.try_parse_json(F.col("value"))).where(F.col("value").isNotNull())


def _mixed(spark: SparkSession, uris: list[str]) -> dict[str, list[str]]:
    """Top-level names whose values are of several simple types."""
    pairs = _variants(spark.read, uris).select(F.explode(F.expr("try_cast(value as map<string, variant>)")))
    kinds = pairs.where(~F.is_variant_null("value")).select("key", F.schema_of_variant("value").alias("kind"))
    found: dict[str, set[str]] = {}
    for row in kinds.distinct().collect():
        kind = "DOUBLE" if row["kind"].startswith("DECIMAL") else row["kind"]
        found.setdefault(row["key"], set()).add(_OF_JSON.get(kind, ""))
    numbers = {"long", "double"}
    usual = {name: kinds - {"long"} if numbers <= kinds else kinds for name, kinds in found.items()}
    return {name: sorted(kinds) for name, kinds in usual.items() if len(kinds) > 1 and "" not in kinds}


def _with_choices(reader: Any, uris: list[str], good: DataFrame, mixed: dict[str, list[str]]) -> DataFrame:
    """The same records, read once more where a column is a choice: as a text, 5 and "5" are alike."""
    if not mixed:
        return good
    parsed = _variants(reader, uris)
    columns = []
    for one in good.schema.fields:
        if one.name not in parsed.columns and one.name not in mixed:
            value = F.expr(f"try_variant_get(value, '$[\"{one.name}\"]', '{one.dataType.simpleString()}')")
            columns.append(value.alias(one.name))
        elif one.name in mixed:
            columns.append(made(one.name, {kind: _of_kind(one.name, kind) for kind in mixed[one.name]}))
        else:
            columns.append(F.col(f"`{one.name}`"))
    return parsed.select(*columns)


def _of_kind(name: str, kind: str) -> Column:
    path = f'$["{name}"]'
    own = F.expr(f"schema_of_variant(try_variant_get(value, '{path}', 'variant'))")
    is_kind = own.startswith("DECIMAL") | own.isin("DOUBLE", "BIGINT") if kind == "double" else own == _json(kind)
    return F.when(is_kind, F.expr(f"try_variant_get(value, '{path}', '{spark_type(kind)}')"))


def _json(kind: str) -> str:
    return next(own for own, name in _OF_JSON.items() if name == kind)


def resolved(frame: DataFrame, name: str, action: str) -> DataFrame:
    """A column after cast:TYPE, make_cols, make_struct or project:TYPE. ValueError: it is no such action."""
    verb, _, kind = action.partition(":")
    types = members(frame).get(name)
    whole = F.col(f"`{name}`")
    if verb == "make_struct":
        return frame.withColumn(name, whole.alias(name, metadata={}))
    if verb == "make_cols":
        parts = [whole[one].alias(f"{name}_{one}") for one in types or ()]
        return _in_place(frame, name, parts or [whole])
    if verb == "cast" and kind:
        values = (
            [whole[one].try_cast(spark_type(kind)) for one in types]
            if types
            else [whole.try_cast(spark_type(kind))]
        )
        return _in_place(frame, name, [F.coalesce(*values).alias(name)])
    if verb == "project" and kind:
        if types and kind in types:
            value = whole[kind]
        else:
            value = whole.try_cast(spark_type(kind)) if not types else F.lit(None).cast(spark_type(kind))
        return _in_place(frame, name, [value.alias(name)])
    raise ValueError(f"ResolveChoice: {action!r} is none of cast:TYPE, make_cols, make_struct, project:TYPE")


def _in_place(frame: DataFrame, name: str, columns: list[Column]) -> DataFrame:
    plain = [[F.col(f"`{one}`")] if one != name else columns for one in frame.columns]
    return frame.select(*(each for some in plain for each in some))
