"""What a crawler may be, in Glue's words.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-crawling.html
"""

from __future__ import annotations

import json
from typing import Any

from sagelab.cloud.events.schedules import Schedule
from sagelab.cloud.resources.call import Beside, Params

_REFUSED = ("JdbcTargets", "MongoDBTargets", "DynamoDBTargets", "CatalogTargets", "DeltaTargets", "IcebergTargets")
_ALL_REFUSED = (*_REFUSED, "HudiTargets")
_CONFIGURED = {
    "Version": None,
    "Grouping": ("TableGroupingPolicy", "TableLevelConfiguration"),
    "CrawlerOutput": ("Tables", "Partitions"),
    "CreatePartitionIndex": None,
}


def invalid(message: str) -> Beside:
    return Beside("InvalidInputException", message)


def check(crawler: Params) -> None:
    """Beside: it is none, or nothing here crawls so."""
    targets = crawler.get("Targets") or {}
    if named := next((one for one in _ALL_REFUSED if targets.get(one)), None):
        raise invalid(f"{named} is not something the local cloud can crawl: S3Targets are.")
    places = targets.get("S3Targets") or []
    if not places:
        raise invalid("Must specify at least one target.")
    for one in places:
        if not str(one.get("Path", "")).startswith("s3://") or len(one["Path"]) <= len("s3://"):
            raise invalid(f"The path {one.get('Path')} is none of S3.")
        if one.get("EventQueueArn") or one.get("ConnectionName"):
            raise invalid("EventQueueArn and ConnectionName are not something the local cloud can do.")
    if not crawler.get("DatabaseName"):
        raise invalid("A database is needed, in which a crawler of S3 makes its tables.")
    if crawler.get("Classifiers"):
        raise invalid(
            "Classifiers of one's own are not something the local cloud can do: those that are built in are."
        )
    for name in ("CrawlerSecurityConfiguration", "LakeFormationConfiguration", "LineageConfiguration"):
        if _asks(crawler.get(name)):
            raise invalid(f"{name} is not something the local cloud can do.")
    _check_policies(crawler)
    _check_configuration(crawler.get("Configuration") or "")


def _asks(found: Any) -> bool:
    if isinstance(found, dict):
        return found.get("UseLakeFormationCredentials", False) or found.get("CrawlerLineageSettings") == "ENABLE"
    return bool(found)


def _check_policies(crawler: Params) -> None:
    again = (crawler.get("RecrawlPolicy") or {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
    policy = crawler.get("SchemaChangePolicy") or {}
    if again == "CRAWL_EVENT_MODE":
        raise invalid("CRAWL_EVENT_MODE is not something the local cloud can do.")
    logs = policy.get("UpdateBehavior") == "LOG" and policy.get("DeleteBehavior") == "LOG"
    if again == "CRAWL_NEW_FOLDERS_ONLY" and not logs:
        words = (
            "The SchemaChangePolicy for a crawler that crawls new folders only has to be LOG for both behaviors."
        )
        raise invalid(words)


def _check_configuration(text: str) -> None:
    if not text:
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("The crawler configuration is no JSON.") from None
    if not isinstance(found, dict) or found.get("Version") != 1.0:
        raise invalid("The crawler configuration needs Version 1.0.")
    for name, value in found.items():
        known = _CONFIGURED.get(name, ())
        if name not in _CONFIGURED or (known is not None and set(value) - set(known)):
            raise invalid(f"{name} of the crawler configuration is not something the local cloud can do.")


def schedule_of(expression: str | None) -> Params | None:
    """The Schedule of a crawler; None: it has none. Beside: it is no cron expression."""
    if not expression:
        return None
    try:
        found = Schedule(expression)
    except ValueError:
        found = None
    if found is None or not expression.startswith("cron("):
        raise invalid(f"The schedule {expression} is no cron expression.")
    return {"ScheduleExpression": expression, "State": "SCHEDULED"}
