"""Crawls as a crawler keeps them, and as its API and workflows tell of them.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-crawling.html
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime

from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.lake.crawls import GROUP
from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

READY, RUNNING, STOPPING = "READY", "RUNNING", "STOPPING"
OWN = "Own"
_ENDS = {"COMPLETED": "SUCCEEDED", "STOPPED": "CANCELLED", "FAILED": "FAILED"}


def end(crawler: Document, end: str, step: Step) -> None:
    crawl, now = crawler[OWN]["Crawls"][0], datetime.now(UTC)
    seconds = (now - crawl["StartTime"]).total_seconds()
    counts = step.facts.get("Counts", {})
    crawl |= {"State": end, "EndTime": now, "DPUHour": round(seconds * 2 / 3600, 4), "Counts": counts}
    if step.message:
        crawl["ErrorMessage"] = step.message
    crawler["State"], crawler["CrawlElapsedTime"] = READY, 0
    crawler["LastCrawl"] = {
        "Status": _ENDS[end],
        "LogGroup": GROUP,
        "LogStream": crawler["Name"],
        "MessagePrefix": crawl["CrawlId"],
        "StartTime": crawl["StartTime"],
    } | ({"ErrorMessage": step.message} if step.message else {})


def metrics(crawler: Document) -> Params:
    """Of its last crawl: https://docs.aws.amazon.com/glue/latest/webapi/API_CrawlerMetrics.html"""
    done = [one for one in crawler[OWN]["Crawls"] if "EndTime" in one]
    times = [(one["EndTime"] - one["StartTime"]).total_seconds() for one in done]
    counts = done[0].get("Counts", {}) if done else {}
    return {
        "CrawlerName": crawler["Name"],
        "TimeLeftSeconds": 0.0,
        "StillEstimating": crawler["State"] == RUNNING,
        "LastRuntimeSeconds": times[0] if times else 0.0,
        "MedianRuntimeSeconds": statistics.median(times) if times else 0.0,
        "TablesCreated": counts.get("ADD TABLE", 0),
        "TablesUpdated": counts.get("UPDATE TABLE", 0),
        "TablesDeleted": counts.get("DELETE TABLE", 0),
    }


def told(crawler: Document) -> Params:
    found = {name: value for name, value in crawler.items() if name != OWN and value is not None}
    if crawler["State"] != READY and crawler[OWN]["Crawls"]:
        since = datetime.now(UTC) - crawler[OWN]["Crawls"][0]["StartTime"]
        found["CrawlElapsedTime"] = int(since.total_seconds() * 1000)
    found["Role"] = str(crawler["Role"]).partition(":role/")[2] or crawler["Role"]
    return found


def found(crawler: Document, key: str) -> Params | None:
    """A crawl, as a workflow's graph has it; None: there is none of this id."""
    crawl = next((one for one in crawler[OWN]["Crawls"] if one["CrawlId"] == key), None)
    if crawl is None:
        return None
    running = "CANCELLING" if crawler["State"] == STOPPING else RUNNING
    told = {"State": _ENDS.get(crawl["State"], running), "StartedOn": crawl["StartTime"]}
    more = {"CompletedOn": crawl.get("EndTime"), "ErrorMessage": crawl.get("ErrorMessage")}
    return told | {name: value for name, value in more.items() if value is not None}
