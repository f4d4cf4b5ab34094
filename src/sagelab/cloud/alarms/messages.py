"""What is told of an alarm: to topics of SNS, to functions and to EventBridge, in the forms that CloudWatch has.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader

from sagelab.cloud.alarms.evaluate import stamp
from sagelab.cloud.store import Document

SUPPRESSION = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
_STATISTICS = {"SampleCount": "SAMPLE_COUNT"}
_OWN = ("EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator", "Threshold")
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")


def subject_of(document: Document) -> str:
    """Of a message of SNS's, a hundred characters of ASCII at the most."""
    place = region_name(document["Region"])
    text = f'{document["StateValue"]}: "{document["AlarmName"]}" in {place}'
    return text.encode("ascii", "replace").decode()[:100]


def notification_of(document: Document, before: Document, account: str) -> str:
    """The message that a topic of SNS is sent."""
    told = {
        "AlarmName": document["AlarmName"],
        "AlarmDescription": document.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": _moment(document["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": document["StateValue"],
        "NewStateReason": document["StateReason"],
        "StateChangeTime": _moment(document["StateUpdatedTimestamp"]),
        "Region": region_name(document["Region"]),
        "AlarmArn": document["AlarmArn"],
        "OldStateValue": before["StateValue"],
        **{name: document[name] for name in _ACTIONS},
    }
    if "AlarmRule" in document:
        children = json.loads(document.get("StateReasonData", "{}")).get("triggeringAlarms", [])
        about = {"AlarmRule": document["AlarmRule"], "TriggeringChildren": [_child(one) for one in children]}
    else:
        about = {"Trigger": _trigger(document)}
    return json.dumps(told | about, separators=(",", ":"))


def event_of(document: Document, before: Document, account: str, at: datetime) -> Document:
    """The event "CloudWatch Alarm State Change"."""
    detail = {
        "alarmName": document["AlarmName"],
        "state": state_of(document),
        "previousState": state_of(before),
        "configuration": _configuration(document),
    }
    return {
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": account,
        "time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": document["Region"],
        "resources": [document["AlarmArn"]],
        "detail": detail,
    }


def call_of(document: Document, before: Document, account: str) -> str:
    """The event that a function is called with."""
    data = {
        "alarmName": document["AlarmName"],
        "state": state_of(document),
        "previousState": state_of(before),
        "configuration": _configuration(document),
    }
    told = {"source": "aws.cloudwatch", "alarmArn": document["AlarmArn"], "accountId": account}
    told |= {"time": _moment(document["StateUpdatedTimestamp"]), "region": document["Region"]}
    return json.dumps(told | {"alarmData": data})


def state_of(document: Document) -> dict[str, Any]:
    """A state, as events have it."""
    told = {"value": document["StateValue"], "reason": document["StateReason"]}
    if "StateReasonData" in document:
        told["reasonData"] = document["StateReasonData"]
    if "ActionsSuppressedBy" in document:
        told["actionsSuppressedBy"] = document["ActionsSuppressedBy"]
        told["actionsSuppressedReason"] = document["ActionsSuppressedReason"]
    return told | {"timestamp": _moment(document["StateUpdatedTimestamp"])}


def configuration_of(document: Document) -> dict[str, Any]:
    """An alarm's whole configuration, as its history has it."""
    told = {_small(name): document[name] for name in (*_OWN, "TreatMissingData", *_ACTIONS) if name in document}
    told |= {"alarmName": document["AlarmName"], "alarmArn": document["AlarmArn"]}
    told |= {"actionsEnabled": document["ActionsEnabled"]} | _configuration(document)
    return told | {"timestamp": _moment(document["AlarmConfigurationUpdatedTimestamp"])}


@cache
def region_name(region: str) -> str:
    """ "US East (N. Virginia)"; a region's code where botocore knows no name of it."""
    for partition in Loader().load_data("partitions")["partitions"]:
        if found := partition["regions"].get(region):
            return str(found["description"])
    return region


def _configuration(document: Document) -> dict[str, Any]:
    about = {"description": document["AlarmDescription"]} if document.get("AlarmDescription") else {}
    if "AlarmRule" in document:
        names = [name for name in document if name == "AlarmRule" or name in SUPPRESSION]
        return about | {_small(name): document[name] for name in names}
    if "Metrics" in document:
        return about | {"metrics": [_query(one) for one in document["Metrics"]]}
    stat = {"period": document["Period"], "stat": document.get("Statistic") or document.get("ExtendedStatistic")}
    stat |= {"unit": document["Unit"]} if "Unit" in document else {}
    metric = {"metric": _metric(document), **stat}
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, document["AlarmArn"]))
    return about | {"metrics": [{"id": name, "metricStat": metric, "returnData": True}]}


def _query(query: Document) -> dict[str, Any]:
    told = {_small(name): query[name] for name in ("Id", "Expression", "Label", "Period") if name in query}
    if "MetricStat" in query:
        stat = query["MetricStat"]
        told["metricStat"] = {"metric": _metric(stat["Metric"]), "period": stat["Period"], "stat": stat["Stat"]}
    return told | {"returnData": query.get("ReturnData", True)}


def _metric(metric: Document) -> dict[str, Any]:
    pairs = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
    return {"namespace": metric["Namespace"], "name": metric["MetricName"], "dimensions": pairs}


def _trigger(document: Document) -> dict[str, Any]:
    """What an alarm watches, in the words of its messages to topics."""
    own = {name: document[name] for name in _OWN if name in document}
    own |= {"TreatMissingData": document.get("TreatMissingData", "missing")}
    own |= {"EvaluateLowSampleCountPercentile": document.get("EvaluateLowSampleCountPercentile", "")}
    if "Metrics" in document:
        periods = [one["MetricStat"]["Period"] for one in document["Metrics"] if "MetricStat" in one]
        return {"Period": periods[0], **own, "Metrics": [_spoken(one) for one in document["Metrics"]]}
    told = {"MetricName": document["MetricName"], "Namespace": document["Namespace"]}
    if statistic := document.get("Statistic"):
        told |= {"StatisticType": "Statistic", "Statistic": _STATISTICS.get(statistic, statistic.upper())}
    else:
        told |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": document["ExtendedStatistic"]}
    pairs = _pairs(document.get("Dimensions", []))
    return told | {"Unit": document.get("Unit"), "Dimensions": pairs, "Period": document["Period"], **own}


def _spoken(query: Document) -> dict[str, Any]:
    told = {name: value for name, value in query.items() if name != "MetricStat"}
    if "MetricStat" in query:
        metric = query["MetricStat"]["Metric"]
        spoken = metric | {"Dimensions": _pairs(metric.get("Dimensions", []))}
        told["MetricStat"] = query["MetricStat"] | {"Metric": spoken}
    return told | {"ReturnData": query.get("ReturnData", True)}


def _pairs(dimensions: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"value": one["Value"], "name": one["Name"]} for one in dimensions]


def _child(one: dict[str, Any]) -> dict[str, Any]:
    state = one["state"]
    return {"Arn": one["arn"], "State": {"Value": state["value"], "Timestamp": state["timestamp"]}}


def _small(name: str) -> str:
    return name[0].lower() + name[1:] if not name.startswith("OK") else f"ok{name[2:]}"


def _moment(time: datetime) -> str:
    return stamp(time.timestamp())
