"""CloudWatch's calls about alarms in the chain: they are the local cloud's, metrics are moto's.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sagelab.cloud.alarms import history, rules
from sagelab.cloud.alarms.actions import CALLED, told
from sagelab.cloud.alarms.alarms import COMPOSITE, METRIC
from sagelab.cloud.alarms.composites import Composites
from sagelab.cloud.alarms.samples import metric_of
from sagelab.cloud.alarms.watch import Watch
from sagelab.cloud.errors import (
    AccessDenied,
    ServiceError,
    ValidationError,
    ValidationException,
    is_unwritable,
    storage_unavailable,
)
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.moto.statistics import shape
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.validation import validate
from sagelab.cloud.resources import listing
from sagelab.cloud.store import Document, Query

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Params = dict[str, Any]

PAGE = 50  # alarms, where nothing is said
ALARM_OPERATIONS = (
    "DeleteAlarms",
    "DescribeAlarmHistory",
    "DescribeAlarms",
    "DescribeAlarmsForMetric",
    "DisableAlarmActions",
    "EnableAlarmActions",
    "PutCompositeAlarm",
    "PutMetricAlarm",
    "SetAlarmState",
)
TAGGING = ("TagResource", "UntagResource", "ListTagsForResource")
MOST_TAGS = 50


class NoSuchAlarm(ServiceError):
    code = "ResourceNotFound"
    status = 404


class NothingToTag(ServiceError):
    code = "ResourceNotFoundException"
    status = 404


class InvalidFormat(ServiceError):
    code = "InvalidFormat"


class InvalidNextToken(ServiceError):
    code = "InvalidNextToken"


class AlarmCalls:
    """A handler of the chain, and what looks at the alarms."""

    def __init__(self, cloud: Cloud, moto: MotoFront) -> None:
        alarms = self._alarms = cloud.alarms
        self._cloud, self._moto, self._store = cloud, moto, cloud.store
        self._composites = Composites(alarms)
        self.watch = Watch(alarms, moto.samples.window)
        self.watch.start()
        alarms.actions.takes = moto.takes
        self._calls: dict[str, Callable[[Params, str], Params]] = {
            "PutMetricAlarm": self._put_metric,
            "PutCompositeAlarm": self._put_composite,
            "DescribeAlarms": self._describe,
            "DescribeAlarmsForMetric": self._describe_for_metric,
            "DescribeAlarmHistory": self._describe_history,
            "SetAlarmState": self._set_state,
            "EnableAlarmActions": lambda params, region: self._enable(params, region, True),
            "DisableAlarmActions": lambda params, region: self._enable(params, region, False),
            "DeleteAlarms": self._delete,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    def answer(self, context: Context) -> Answer | None:
        """The answer to a request about alarms; None where it is about something else."""
        call = self._calls.get(context.operation) if context.service == "monitoring" else None
        if call is None:
            return None
        request = self._moto.metrics(context.request, context.region)
        if request.operation != context.operation:
            raise AccessDenied(f"The request names {context.operation} and {request.operation}.")
        validate(shape(context.operation), request.params)
        if context.operation in TAGGING and ":alarm:" not in request.params["ResourceARN"]:
            return None
        try:
            with self._store.refusing():
                answer = request.answer(call(request.params, context.region))
        except ServiceError:
            raise
        except Exception as error:
            raise (storage_unavailable(error) if is_unwritable(error) else error) from None
        if context.changes:
            self._cloud.tell(context.service, "")
        return answer

    def close(self) -> None:
        self.watch.close()
        self._alarms.close()

    def _put_metric(self, params: Params, region: str) -> Params:
        self._check_kind(params, region, METRIC)
        config = rules.metric_alarm(params, region)
        self._alarms.put(region, METRIC, config, _tags(params))
        return {}

    def _put_composite(self, params: Params, region: str) -> Params:
        self._check_kind(params, region, COMPOSITE)
        config = rules.composite_alarm(params, region, self._alarms)
        verb = "updated" if self._alarms.find(region, params["AlarmName"]) else "created"
        self._composites.first(self._alarms.put(region, COMPOSITE, config, _tags(params)), verb)
        return {}

    def _check_kind(self, params: Params, region: str, kind: str) -> None:
        found = self._alarms.find(region, params["AlarmName"])
        if found and found["Type"] != kind:
            raise ValidationError(
                f"{params['AlarmName']} is the name of an alarm of another type: {found['Type']}."
            )

    def _describe(self, params: Params, region: str) -> Params:
        found = [one for one in self._alarms.all(region) if one["Type"] in (params.get("AlarmTypes") or [METRIC])]
        found = [one for one in found if self._fits(one, params, region)]
        token = _read_token(params)
        found = [one for one in found if token is None or one["AlarmName"] > token]
        limit = params.get("MaxRecords", PAGE)
        page, more = found[:limit], found[limit:]
        kinds = {"MetricAlarms": METRIC, "CompositeAlarms": COMPOSITE}
        answer: Params = {name: [told(one) for one in page if one["Type"] == kind] for name, kind in kinds.items()}
        return answer | ({"NextToken": listing.write_token((0, page[-1]["AlarmName"]))} if more else {})

    def _fits(self, document: Document, params: Params, region: str) -> bool:
        if "AlarmNames" in params and "AlarmNamePrefix" in params:
            raise ValidationError("AlarmNames and AlarmNamePrefix exclude each other.")
        name = str(document["AlarmName"])
        if "AlarmNames" in params and name not in params["AlarmNames"]:
            return False
        if not name.startswith(params.get("AlarmNamePrefix", "")):
            return False
        if "StateValue" in params and document["StateValue"] != params["StateValue"]:
            return False
        if "ActionPrefix" in params and not any(
            arn.startswith(params["ActionPrefix"]) for member in CALLED.values() for arn in document[member]
        ):
            return False
        if child := params.get("ParentsOfAlarmName"):
            return child in rules.children(document)
        if parent := params.get("ChildrenOfAlarmName"):
            of = self._alarms.find(region, parent)
            return of is not None and name in rules.children(of)
        return True

    def _describe_for_metric(self, params: Params, region: str) -> Params:
        wanted = metric_of(params)
        names = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        found = [
            told(one)
            for one in self._alarms.all(region)
            if "MetricName" in one
            and metric_of(one) == wanted
            and all(one.get(name) == params[name] for name in names if name in params)
        ]
        return {"MetricAlarms": found}

    def _describe_history(self, params: Params, region: str) -> Params:
        start = _place(params["NextToken"]) if "NextToken" in params else None
        name = params.get("AlarmName")
        query = Query(
            history.KIND,
            region,
            name_prefix=f"{name}\n" if name else None,
            status=params.get("HistoryItemType"),
            after={"created": _aware(params["StartDate"])} if "StartDate" in params else {},
            before={"created": _aware(params["EndDate"])} if "EndDate" in params else {},
            descending=params.get("ScanBy") != "TimestampAscending",
            limit=params.get("MaxRecords", 100),
            start=start,
        )
        rows, more = self._alarms.history.page(query, tuple(params.get("AlarmTypes") or [METRIC]))
        items = [{name: value for name, value in row.items() if name != "Key"} for row in rows]
        return {"AlarmHistoryItems": items} | ({"NextToken": listing.write_token(more)} if more else {})

    def _set_state(self, params: Params, region: str) -> Params:
        data = params.get("StateReasonData")
        try:
            json.loads(data or "{}")
        except (ValueError, RecursionError):
            raise InvalidFormat("StateReasonData is not valid JSON.") from None
        found = self._found(params["AlarmName"], region)
        self._alarms.move(found["AlarmArn"], params["StateValue"], params["StateReason"], data)
        return {}

    def _enable(self, params: Params, region: str, enabled: bool) -> Params:
        for name in params["AlarmNames"]:
            if found := self._alarms.find(region, name):
                self._alarms.enable(found["AlarmArn"], enabled)
        return {}

    def _delete(self, params: Params, region: str) -> Params:
        names = params["AlarmNames"]
        found = [one for name in dict.fromkeys(names) if (one := self._alarms.find(region, name))]
        if sum(one["Type"] == COMPOSITE for one in found) > 1:
            raise ValidationError("Only one composite alarm can be deleted in one operation.")
        for one in found:
            if set(rules.parents(one["AlarmName"], region, self._alarms)) - set(names):
                raise ValidationError(
                    f"Alarm {one['AlarmName']} cannot be deleted as there are composite alarm(s) depending on it."
                )
        self._alarms.remove(one["AlarmArn"] for one in found)
        return {}

    def _tag(self, params: Params, region: str) -> Params:
        arn = self._taggable(params, region)
        if len(self._store.tags(arn) | _tags(params)) > MOST_TAGS:
            raise ValidationError(f"An alarm has at most {MOST_TAGS} tags.")
        self._store.tag(arn, _tags(params))
        return {}

    def _untag(self, params: Params, region: str) -> Params:
        self._store.untag(self._taggable(params, region), params["TagKeys"])
        return {}

    def _list_tags(self, params: Params, region: str) -> Params:
        tags = self._store.tags(self._taggable(params, region))
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _taggable(self, params: Params, region: str) -> str:
        arn = str(params["ResourceARN"])
        found = self._alarms.find(region, arn.split(":", 6)[-1])
        if found is None or found["AlarmArn"] != arn:
            raise NothingToTag(f"{arn} does not exist.")
        return arn

    def _found(self, name: str, region: str) -> Document:
        if (found := self._alarms.find(region, name)) is None:
            raise NoSuchAlarm(f"Alarm {name} does not exist.")
        return found


def _tags(params: Params) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in params.get("Tags") or []}


def _read_token(params: Params) -> str | None:
    """The name of the last alarm of the page before."""
    if "NextToken" not in params:
        return None
    return str(_place(params["NextToken"])[1])


def _place(token: str) -> tuple[Any, str]:
    """Where a page begins. InvalidNextToken: the token is not one of ours."""
    try:
        found = listing.read_token(token)
    except ValidationException:
        found = None
    if found is None:
        raise InvalidNextToken("The next token specified is invalid.")
    return found


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
