"""Records become objects: split, transformed, asked for their keys, grouped, converted and compressed.

What of them fails becomes objects under the prefix of errors. Nothing is written here: parcels are made.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagelab.cloud.engine.firehose import failures, packing, prefixes, transform
from sagelab.cloud.engine.firehose.failures import Failure
from sagelab.cloud.engine.firehose.host import Found
from sagelab.cloud.engine.firehose.prefixes import NotEvaluated, Values
from sagelab.cloud.engine.firehose.settings import ENDINGS, Place, Settings
from sagelab.cloud.engine.firehose.spool import Parcel, Record
from sagelab.cloud.engine.firehose.transform import Made, Outcome

PARTITIONS = 500  # at a time
DATA, ERRORS, BACKUP = "data", "errors", "backup"
_MANY = "The number of active partitions is over the limit of this stream."


@dataclass(frozen=True)
class Means:
    """ask: has a host work on records. invoke: calls a function; rest: waits before a retry of it. columns: of the
    table of the catalogue, and what a line of failure tells of it. note: counts."""

    ask: Callable[[dict[str, Any], list[bytes]], Found]
    invoke: transform.Invoke
    rest: Callable[[int], None]
    columns: Callable[[], tuple[list[tuple[str, str]], dict[str, Any]]]
    note: Callable[..., None]


@dataclass(frozen=True)
class Group:
    """Records that go into one object. prefix: evaluated."""

    prefix: str
    made: list[Made]

    @property
    def oldest(self) -> float:
        return min(one.record.arrived for one in self.made)


def make(settings: Settings, records: Sequence[Record], means: Means) -> list[Parcel]:
    """What is to be put of a buffer's records."""
    outcome = _process(settings, records, means)
    groups = list(_groups(settings, outcome))
    table = _convert(settings, groups, outcome, means) if settings.conversion else None
    parcels = [_data(settings, group, table[at] if table else None) for at, group in enumerate(groups)]
    if settings.partitioned:
        means.note(PartitionCount=len(groups))
    kinds = dict.fromkeys(one.kind for one in outcome.failures)
    parcels += [_errors(settings, [one for one in outcome.failures if one.kind == kind]) for kind in kinds]
    if settings.backup:
        parcels.append(_backup(settings, settings.backup, records))
    return [one for one in parcels if one.facts["records"]]


def _process(settings: Settings, records: Sequence[Record], means: Means) -> Outcome:
    outcome = Outcome([Made(one) for one in records])
    if settings.split and settings.function:
        _extract(outcome, {"split": settings.split}, means)
    if settings.function:
        given = [one.record for one in outcome.made]
        found = transform.transform(settings, settings.function, given, means.invoke, means.rest)
        sent = sum(len(one.record.data) for one in found.made)
        means.note(SucceedProcessing__Records=len(found.made) + found.dropped, SucceedProcessing__Bytes=sent)
        outcome = Outcome(found.made, outcome.failures + found.failures, found.dropped)
    asked = {"split": settings.split if not settings.function else None, "query": settings.query or None}
    if outcome.made and any(asked.values()):
        _extract(outcome, asked, means)
    if settings.delimiter:
        outcome.made = [_ended(one, settings.delimiter) for one in outcome.made]
    return outcome


def _ended(made: Made, delimiter: bytes) -> Made:
    return replace(made, record=replace(made.record, data=made.record.data + delimiter))


def _extract(outcome: Outcome, asked: dict[str, Any], means: Means) -> None:
    """Split records and find their keys, in a host."""
    given = outcome.made
    found = means.ask({"task": "extract", **asked}, [one.record.data for one in given])
    told = {number for number, _, _ in found.made} | found.faults.keys()
    outcome.made = []
    for number, data, keys in found.made:
        record = given[number].record
        named = given[number].keys | ({"partitionKeyFromQuery": keys} if keys else {})
        outcome.made.append(Made(record if data is None else replace(record, data=data), named))
    code, words = "DynamicPartitioning.MetadataExtractionFailed", found.ended or "The query found nothing."
    faults = found.faults | {at: (code, words) for at in range(len(given)) if at not in told}
    outcome.failures += [
        Failure(given[at].record, failures.EXTRACTION, *fault) for at, fault in sorted(faults.items())
    ]


def _groups(settings: Settings, outcome: Outcome) -> Iterator[Group]:
    """By the partition keys that the prefix asks for; who has none of them fails."""
    wanted = prefixes.wanted_keys(settings.place.prefix) if settings.partitioned else {}
    named = [(space, name) for space, names in sorted(wanted.items()) for name in sorted(names)]
    found: dict[tuple[str, ...], list[Made]] = {}
    for one in outcome.made:
        values = tuple(one.keys.get(space, {}).get(name, "") for space, name in named)
        if values not in found and len(found) >= PARTITIONS:
            outcome.failures.append(
                Failure(
                    one.record, failures.PARTITIONING, "DynamicPartitioning.ActivePartitionsLimitExceeded", _MANY
                )
            )
            continue
        found.setdefault(values, []).append(one)
    for made in found.values():
        oldest = min(one.record.arrived for one in made)
        try:
            values_of = Values(oldest, settings.zone, keys=made[0].keys)
            yield Group(prefixes.of_data(settings.place.prefix, values_of), made)
        except NotEvaluated as fault:
            code = "DynamicPartitioning.MetadataExtractionFailed"
            outcome.failures += [Failure(one.record, failures.EXTRACTION, code, str(fault)) for one in made]


def _convert(settings: Settings, groups: list[Group], outcome: Outcome, means: Means) -> list[bytes]:
    """The file of each group; empty where no record of it fits."""
    assert settings.conversion
    if not groups:
        return []
    columns, told = means.columns()
    given = [one for group in groups for one in group.made]
    asked = {
        "task": "convert",
        "columns": columns,
        "groups": [len(group.made) for group in groups],
        "reading": settings.conversion.reading,
        "output": settings.conversion.output,
        "writing": settings.conversion.writing,
    }
    found = means.ask(asked, [one.record.data for one in given])
    faults, at = dict(found.faults), 0
    for number, group in enumerate(groups):
        if number not in found.files:
            lost = ("DataFormatConversion.InternalError", found.ended or "Nothing of it fits.")
            faults |= {one: faults.get(one, lost) for one in range(at, at + len(group.made))}
        at += len(group.made)
    for one, fault in sorted(faults.items()):
        failure = Failure(given[one].record, failures.CONVERSION, *fault, more={"dataCatalogTable": told})
        outcome.failures.append(failure)
    good = [made for number, made in enumerate(given) if number not in faults]
    sizes = sum(len(one.record.data) for one in good)
    means.note(SucceedConversion__Records=len(good), SucceedConversion__Bytes=sizes)
    means.note(FailedConversion__Records=len(faults))
    return [bytes(found.files.get(number, b"")) for number in range(len(groups))]


def _data(settings: Settings, group: Group, content: bytes | None) -> Parcel:
    place, records = settings.place, len(group.made)
    converted = settings.conversion.output if settings.conversion else ""
    ending = settings.ending or (f".{converted}" if converted else ENDINGS.get(place.compression, ""))
    name = _name(settings, group.oldest, ending)
    if content is None:
        content = packing.pack((one.record.data for one in group.made), place.compression, name)
    elif not content:
        records = 0
    facts = {"kind": DATA, "key": group.prefix + name, "records": records, "oldest": group.oldest}
    if settings.partitioned:
        values = Values(group.oldest, settings.zone, failures.PARTITIONING)
        facts["instead"] = _of_failures(place, values) + name
    return Parcel(facts, content)


def _errors(settings: Settings, found: list[Failure]) -> Parcel:
    oldest = min(one.record.arrived for one in found)
    values = Values(oldest, settings.zone, found[0].kind)
    key = _of_failures(settings.place, values) + _name(settings, oldest, "")
    facts = {"kind": ERRORS, "key": key, "records": len(found), "oldest": oldest}
    return Parcel(facts, b"".join(one.line() for one in found))


def _of_failures(place: Place, values: Values) -> str:
    try:
        return prefixes.of_failures(place.prefix, place.error_prefix, values)
    except NotEvaluated:
        return f"{values.error}/"


def _backup(settings: Settings, place: Place, records: Sequence[Record]) -> Parcel:
    oldest = records[0].arrived
    name = _name(settings, oldest, ENDINGS.get(place.compression, ""))
    prefix = prefixes.of_data(place.prefix, Values(oldest, settings.zone))
    body = packing.pack((one.data for one in records), place.compression, name)
    return Parcel({"kind": BACKUP, "key": prefix + name, "records": len(records), "oldest": oldest}, body)


def _name(settings: Settings, oldest: float, ending: str) -> str:
    return prefixes.name_of(settings.name, settings.version, oldest, settings.zone, ending, uuid.uuid4())
