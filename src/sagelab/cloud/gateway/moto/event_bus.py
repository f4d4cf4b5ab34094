"""EventBridge's buses: moto keeps rules and targets, and this tells who hears of an event.

What a rule sends is not done within the request that puts an event, and fails nobody: it is a row of the store
(events/deliveries.py) before the request is answered.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError

from sagelab.cloud.context import EVENTS
from sagelab.cloud.errors import is_unwritable, storage_unavailable
from sagelab.cloud.events import inputs, patterns
from sagelab.cloud.events.deliveries import Deliveries
from sagelab.cloud.events.targets import Targets
from sagelab.cloud.gateway.moto import deliveries
from sagelab.cloud.home import ACCOUNT
from sagelab.cloud.store import Change, Document

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Asked = dict[str, Any]

_NO_SOURCE = "Not authorized for the source."
_TOO_LARGE = "Total size of the entries in the request is over the limit."
_NEEDED = {"id", "account", "source", "time", "region", "resources", "detail-type"}  # of an event
_BAD_PATTERN = "Event pattern is not valid. Reason: {}"

logger = logging.getLogger("sagelab")


class Acting(Protocol):
    """MotoFront.acting."""

    def __call__(self, service: str, region: str, changes: bool) -> AbstractContextManager[None]: ...


class EventBridge:
    """The event buses of this process."""

    current: ClassVar[EventBridge]

    def __init__(self, cloud: Cloud, acting: Acting) -> None:
        self._store, self._acting = cloud.store, acting
        targets = Targets(cloud, deliveries.takes, self._pass_on)
        self.deliveries = Deliveries(cloud.store, targets.deliver, targets.bury, many=targets.deliver_all)
        self._noted, self._closed = threading.Event(), False
        self._noted.set()
        cloud.store.listen(self._on_change)
        self._teller = threading.Thread(target=self._tell, name="state changes", daemon=True)
        self._teller.start()
        EventBridge.current = self
        cloud.put_event = self.put

    def close(self) -> None:
        """What is not told or delivered is after the next start."""
        self._closed = True
        self._noted.set()
        self._teller.join()
        self.deliveries.close()

    def put(self, event: Document, region: str, bus: str = "default", hops: int = 0) -> None:
        """Put an event of a service's on a bus: "id" is made where it has none."""
        event = {"version": "0", "id": str(uuid.uuid4())} | event
        backend = get_backend("events")[ACCOUNT][region]
        with self._acting("events", region, bool(backend.archives)):
            found = backend.event_buses.get(bus)
            for rule in list(found.rules.values()) if found else ():
                self.offer(rule, event, hops)

    def offer(self, rule: Any, event: Document, hops: int = 0) -> None:
        """Let a rule have an event, if it is enabled and its pattern fits. StorageUnavailable: it is not kept."""
        if rule.state == "DISABLED" or (rule.scheduled_expression and not rule.event_pattern.dump()):
            return
        if rule.targets and _fits(rule, event):
            self.send(rule, event, hops)

    def send(self, rule: Any, event: Document, hops: int = 0) -> None:
        """Give an event to every target of a rule."""
        facts = {"Service": EVENTS, "Source": rule.arn, "Region": rule.region_name, "Hops": hops}
        facts |= {"Event": json.dumps(event), "Ingested": _zulu(datetime.now(UTC).timestamp())}
        try:
            self.deliveries.add(facts | {"Target": one} for one in rule.targets if not _is_archive(one))
        except Exception as error:
            raise (storage_unavailable(error) if is_unwritable(error) else error) from None
        if any(_is_archive(one) for one in rule.targets):
            _archive(rule, event)

    def _pass_on(self, event: Document, bus: str, hops: int) -> None:
        self.put(event, bus.split(":")[3], bus.rpartition("/")[2], hops)

    def _on_change(self, _: Change) -> None:
        self._noted.set()

    def _tell(self) -> None:
        """Put what the store has noted of SageMaker's state changes on the default buses."""
        while not self._closed:
            self._noted.wait()
            self._noted.clear()
            try:
                while not self._closed and (notes := self._store.notes()):
                    self._tell_all(notes)
            except Exception:
                if not self._closed:
                    logger.exception("state changes are told with the next one")

    def _tell_all(self, notes: list[tuple[int, str]]) -> None:
        for number, note in notes:
            event = json.loads(note)
            self.put(event, event["region"])
            self._store.drop_note(number)


def take(asked: Asked) -> None:
    """What moto would send to a rule's targets within the request is offered to the rule; moto does nothing."""
    event = dict(asked["original_event"])
    event.pop("ingestion-time", None)
    if not isinstance(event.get("time"), str):
        event["time"] = _zulu(float(event["time"]))
    EventBridge.current.offer(asked["self"], event)
    raise deliveries.Answered


def check_entries(asked: Asked) -> Any:
    """Entries together are of a size, and none is said to be of a service of AWS's.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
    """
    entries = asked["events"] or []
    if sum(map(_size, entries)) > inputs.LARGEST:
        raise JsonRESTError("ValidationException", _TOO_LARGE)
    refused = {at for at, one in enumerate(entries) if str(one.get("Source") or "").startswith("aws.")}
    asked["events"] = [one for at, one in enumerate(entries) if at not in refused]

    def tell(answered: list[Any]) -> None:
        for at in sorted(refused):
            error = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": _NO_SOURCE}
            answered.insert(at, error)

    return tell


def check_pattern(asked: Asked) -> None:
    """A rule's pattern, in EventBridge's words where it is none."""
    if text := asked.get("event_pattern"):
        read_pattern(text)


def read_pattern(text: str) -> Any:
    """JsonRESTError: it is no pattern."""
    try:
        pattern = json.loads(text)
        patterns.check(pattern)
    except (ValueError, RecursionError) as error:
        reason = "Invalid JSON" if isinstance(error, json.JSONDecodeError | RecursionError) else str(error)
        raise JsonRESTError("InvalidEventPatternException", _BAD_PATTERN.format(reason)) from None
    return pattern


def try_pattern(asked: Asked) -> None:
    """TestEventPattern, which moto has nothing for."""
    request = asked["self"]
    pattern = read_pattern(request._get_param("EventPattern"))
    try:
        event = json.loads(request._get_param("Event"))
    except ValueError:
        event = None
    if not isinstance(event, dict) or _NEEDED - event.keys():
        raise JsonRESTError("ValidationException", "Parameter Event is not valid.")
    raise deliveries.Answered(json.dumps({"Result": patterns.matches(pattern, event)}))


def replay(asked: Asked) -> None:
    """What an archive has of a time, to the rules that are named: moto gives all of it to all of them."""
    one, archive = asked["self"], asked["archive"]
    rules, bus = one.destination.get("FilterArns") or [], one.destination["Arn"].rpartition("/")[2]
    backend = get_backend("events")[one.account_id][one.region]
    for event in list(archive.events):
        if one.event_start_time <= datetime.fromisoformat(event["time"]).timestamp() < one.event_end_time:
            again = event | {"id": str(uuid.uuid4()), "replay-name": one.name}
            for rule in list(backend.event_buses[bus].rules.values()):
                if not rules or rule.arn in rules:
                    EventBridge.current.offer(rule, again)
    one.state, one.end_time = type(one.state).COMPLETED, datetime.now(UTC).timestamp()
    raise deliveries.Answered


def tell_of_object(asked: Asked) -> None:
    """An event of S3's, as its bucket's configuration asks for it. moto's own has a caller and a request made up.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    from moto.s3.notifications import _detail_type

    bucket, key, name = asked["bucket"], asked["key"], asked["event_name"]
    version = {"version-id": key.version_id} if key.version_id else {}
    thing = {"key": key.name, "size": key.size, "etag": key.etag.replace('"', ""), **version}
    reason = str(getattr(name, "value", name)).partition(":")[2].partition(":")[0]
    detail = {"version": "0", "bucket": {"name": bucket.name}, "object": thing, "reason": reason}
    try:
        kind = _detail_type(name)
    except ValueError:  # S3 tells EventBridge nothing of it
        raise deliveries.Answered from None
    tags = get_backend("s3")[asked["account_id"]]["aws"].tagger.get_tag_dict_for_resource(key.arn)
    if kind == "Object Tags Added" and not tags:
        raise deliveries.Answered  # moto tags each object that is put, be it with nothing
    event = {"detail-type": kind, "source": "aws.s3", "account": asked["account_id"]}
    event |= {"time": _zulu(datetime.now(UTC).timestamp()), "region": bucket.region_name}
    EventBridge.current.put(event | {"resources": [bucket.arn], "detail": detail}, bucket.region_name)
    raise deliveries.Answered


def keep_silent(_asked: Asked) -> None:
    """What moto tells functions and machines itself, without a rule's targets being asked."""
    raise deliveries.Answered


def _fits(rule: Any, event: Document) -> bool:
    try:
        return patterns.matches(rule.event_pattern.get_pattern(), event)
    except Exception:  # of a pattern that was kept before patterns were checked
        logger.warning("the pattern of %s is none", rule.arn)
        return False


def _is_archive(target: Document) -> bool:
    return bool(target["Arn"].endswith(":::"))


def _archive(rule: Any, event: Document) -> None:
    archives = get_backend("events")[rule.account_id][rule.region_name].archives
    if "replay-name" not in event and (archive := archives.get(rule.name.removeprefix("Events-Archive-"))):
        archive.events.append(event)


def _size(entry: Asked) -> int:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html"""
    texts: Iterator[Any] = (entry.get(name) or "" for name in ("Source", "DetailType", "Detail"))
    size = sum(len(str(text).encode()) for text in texts) + sum(map(len, entry.get("Resources") or []))
    return size + (14 if entry.get("Time") else 0)


def _zulu(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
