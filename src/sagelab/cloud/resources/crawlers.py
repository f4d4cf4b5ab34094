"""Glue's crawlers: kept, started by hand or by their schedule, and what became of each crawl.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-crawling.html
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.context import GLUE, Cloud
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.lake.crawls import GROUP, CrawlRun
from sagelab.cloud.events.schedules import Schedule
from sagelab.cloud.events.timer import Timed, Timer
from sagelab.cloud.resources import crawl_records, crawler_rules, listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.crawl_records import OWN, READY, RUNNING, STOPPING
from sagelab.cloud.resources.crawler_rules import invalid
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND = "glue-crawler"
KEPT = 100  # crawls of a crawler
_SETTINGS: tuple[str, ...] = (
    "Role",
    "DatabaseName",
    "Description",
    "Targets",
    "TablePrefix",
    "SchemaChangePolicy",
    "RecrawlPolicy",
)
_SETTINGS += ("Configuration", "Classifiers", "LineageConfiguration", "LakeFormationConfiguration")
_SETTINGS += ("CrawlerSecurityConfiguration",)
_USUAL: Params = {
    "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"},
    "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
    "LineageConfiguration": {"CrawlerLineageSettings": "DISABLE"},
    "LakeFormationConfiguration": {"UseLakeFormationCredentials": False, "AccountId": ""},
    "Classifiers": [],
}


class Crawlers(Family):
    """The crawlers of one local cloud, and the thread that starts those with a schedule."""

    service = "glue"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._runs: dict[str, CrawlRun] = {}
        self._lock, self._closed = threading.Lock(), False
        self._timer: Timer | None = None
        for arn, _ in self.store.with_status(KIND, RUNNING, STOPPING):
            self._report(arn, Step("FAILED", "The local cloud ended while the crawler was running."))
        self._take_up()

    @operation("CreateCrawler")
    def create(self, call: Call) -> Params:
        params, now = call.params, datetime.now(UTC)
        asked = _USUAL | {name: params[name] for name in _SETTINGS if name in params}
        crawler_rules.check(asked)
        self._check_role(call, asked["Role"])
        crawler = asked | {"Name": params["Name"], "State": READY, "CrawlElapsedTime": 0, "Version": 1}
        crawler |= {"CreationTime": now, "LastUpdated": now, OWN: {"Crawls": [], "Changes": []}}
        crawler["SchemaChangePolicy"] = _USUAL["SchemaChangePolicy"] | asked["SchemaChangePolicy"]
        crawler["Schedule"] = crawler_rules.schedule_of(params.get("Schedule"))
        arn = _arn(call, params["Name"])
        try:
            self.store.add(
                Resource(arn, KIND, call.region, params["Name"], READY, crawler), params.get("Tags") or {}
            )
        except Exists:
            words = f"{call.account}:{params['Name']} already exists"
            raise Beside("AlreadyExistsException", words) from None
        self._take_up()
        return {}

    @operation("UpdateCrawler")
    def update(self, call: Call) -> Params:
        before, params = self._find(call), call.params
        changed = {name: params[name] for name in _SETTINGS if name in params}
        crawler_rules.check(before | changed)
        if "Role" in changed:
            self._check_role(call, changed["Role"])
        if "Schedule" in params:
            changed["Schedule"] = crawler_rules.schedule_of(params["Schedule"])

        def edit(crawler: Document) -> None:
            if crawler["State"] != READY:
                raise _running(crawler["Name"])
            crawler |= changed | {"LastUpdated": datetime.now(UTC), "Version": crawler["Version"] + 1}

        self.store.change(_arn(call, params["Name"]), edit)
        self._take_up()
        return {}

    @operation("DeleteCrawler")
    def delete(self, call: Call) -> Params:
        crawler = self._find(call)
        if crawler["State"] != READY:
            raise _running(crawler["Name"])
        self.store.remove(_arn(call, crawler["Name"]))
        return {}

    @operation("GetCrawler")
    def get(self, call: Call) -> Params:
        return {"Crawler": crawl_records.told(self._find(call))}

    @operation("GetCrawlers")
    def get_all(self, call: Call) -> Params:
        found = sorted(self.store.documents(KIND, call.region), key=lambda one: str(one["Name"]))
        return listing.page(call, "Crawlers", [crawl_records.told(one) for one in found], 100)

    @operation("ListCrawlers")
    def list_names(self, call: Call) -> Params:
        wanted = (call.params.get("Tags") or {}).items()
        names = sorted(
            one["Name"]
            for one in self.store.documents(KIND, call.region)
            if wanted <= self.store.tags(_arn(call, one["Name"])).items()
        )
        return listing.page(call, "CrawlerNames", names, 100)

    @operation("BatchGetCrawlers")
    def get_many(self, call: Call) -> Params:
        found, missing = [], []
        for name in call.params["CrawlerNames"]:
            try:
                found.append(crawl_records.told(self.store.get(_arn(call, name))))
            except Missing:
                missing.append(name)
        return {"Crawlers": found, "CrawlersNotFound": missing}

    # Crawls

    @operation("StartCrawler")
    def start(self, call: Call) -> Params:
        self._find(call)
        self._start(_arn(call, call.params["Name"]))
        return {}

    def _start(self, arn: str, crawl: str = "") -> None:
        """Beside: it runs already."""
        crawl, now = crawl or str(uuid.uuid4()), datetime.now(UTC)
        region, account = arn.split(":")[3:5]

        def begin(crawler: Document) -> str:
            if crawler["State"] != READY:
                raise _running(crawler["Name"])
            crawls = [{"CrawlId": crawl, "State": RUNNING, "StartTime": now}, *crawler[OWN]["Crawls"]]
            crawler[OWN]["Crawls"] = crawls[:KEPT]
            crawler["State"] = RUNNING
            return RUNNING

        crawler = self.store.change(arn, begin)
        try:
            run = self._run(arn, crawler, crawl, region, account)
        except ClientError as error:
            words = f"Service is unable to assume role {crawler['Role']}: {error.response['Error'].get('Message')}"
            self._report(arn, Step("FAILED", words))
            return
        except BaseException:
            self._report(arn, Step("FAILED", "Internal service exception"))
            raise
        with self._lock:
            self._runs[arn] = run
            if self._closed:
                run.interrupt()
        run.start()

    def _run(self, arn: str, crawler: Document, crawl: str, region: str, account: str) -> CrawlRun:
        """botocore's ClientError: nobody may take on the crawler's role."""
        role = role_arn(crawler["Role"], account)
        asked = {"RoleArn": role, "RoleSessionName": "AWS-Crawler"}
        made = self.cloud.assuming(GLUE, region).assume_role(**asked)["Credentials"]
        keys = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        plain = {name: crawler[name] for name in ("Name", *_SETTINGS) if crawler.get(name) is not None}
        logs = self.cloud.client_as(role, "logs", region, GLUE)
        context = self.cloud.engine_context(region, GLUE)
        return CrawlRun(plain, crawl, context, keys, logs, partial(self._report, arn))

    @operation("StopCrawler")
    def stop(self, call: Call) -> Params:
        self._find(call)
        self.halt(_arn(call, call.params["Name"]))
        return {}

    def halt(self, arn: str) -> None:
        """Stop a crawl. Beside: there is none to be stopped."""

        def edit(crawler: Document) -> str:
            if crawler["State"] == STOPPING:
                raise Beside(
                    "CrawlerStoppingException", f"Crawler with name {crawler['Name']} is already stopping"
                )
            if crawler["State"] == READY:
                raise Beside("CrawlerNotRunningException", f"Crawler with name {crawler['Name']} isn't running")
            crawler["State"] = STOPPING
            return STOPPING

        self.store.change(arn, edit)
        with self._lock:
            run = self._runs.get(arn)
        if run is not None:
            run.stop()

    # For triggers

    def launch(self, arn: str, crawl: str) -> bool:
        """Start a crawl with an id, where a kill did not come after that. Beside: it cannot be."""
        try:
            if crawl_records.found(self.store.get(arn), crawl) is None:
                self._start(arn, crawl)
        except Missing:
            words = f"Crawler with name {arn.partition(':crawler/')[2]} does not exist"
            raise Beside("EntityNotFoundException", words) from None
        return True

    def crawl(self, arn: str, crawl: str) -> Params | None:
        """As a workflow has it; None: there is none."""
        try:
            return crawl_records.found(self.store.get(arn), crawl)
        except Missing:
            return None

    def _report(self, arn: str, step: Step) -> None:
        """A crawl has come to its end."""
        end = "FAILED" if step.status == "Failed" else step.status

        def edit(crawler: Document) -> str:
            if crawler["State"] != READY:
                crawl_records.end(crawler, end, step)
            return READY

        with self._lock:
            self._runs.pop(arn, None)  # before the state: once it is READY the next crawl may have its place
        with suppress(Missing):
            self.store.change(arn, edit)

    @operation("ListCrawls")
    def crawls(self, call: Call) -> Params:
        crawler = self._find(call, "CrawlerName")
        rows = [{name: value for name, value in one.items() if name != "Counts"} for one in crawler[OWN]["Crawls"]]
        place = {"LogGroup": GROUP, "LogStream": crawler["Name"]}
        rows = [one | place | {"MessagePrefix": one["CrawlId"]} for one in rows]
        for wanted in call.params.get("Filters") or []:
            if wanted.get("FieldName") != "STATE" or wanted.get("FilterOperator", "EQ") not in ("EQ", "NE"):
                raise invalid("Of the filters of crawls the local cloud has STATE, with EQ and NE.")
            equal = wanted.get("FilterOperator", "EQ") == "EQ"
            rows = [one for one in rows if (one["State"] == wanted.get("FieldValue")) == equal]
        return listing.page(call, "Crawls", rows, 20)

    @operation("GetCrawlerMetrics")
    def metrics(self, call: Call) -> Params:
        names = call.params.get("CrawlerNameList") or []
        found = sorted(self.store.documents(KIND, call.region), key=lambda one: str(one["Name"]))
        rows = [crawl_records.metrics(one) for one in found if not names or one["Name"] in names]
        return listing.page(call, "CrawlerMetricsList", rows, 100)

    # Schedules

    @operation("UpdateCrawlerSchedule")
    def schedule(self, call: Call) -> Params:
        self._find(call, "CrawlerName")
        found = crawler_rules.schedule_of(call.params.get("Schedule"))
        return self._set_schedule(call, lambda _: found)

    @operation("StartCrawlerSchedule")
    def start_schedule(self, call: Call) -> Params:
        def change(before: Params | None) -> Params:
            if not before:
                raise Beside("NoScheduleException", f"Crawler {call.params['CrawlerName']} has no schedule")
            if before["State"] == "SCHEDULED":
                raise Beside("SchedulerRunningException", "The schedule is running already.")
            return before | {"State": "SCHEDULED"}

        return self._set_schedule(call, change)

    @operation("StopCrawlerSchedule")
    def stop_schedule(self, call: Call) -> Params:
        def change(before: Params | None) -> Params:
            if not before or before["State"] != "SCHEDULED":
                raise Beside("SchedulerNotRunningException", "The schedule is not running.")
            return before | {"State": "NOT_SCHEDULED"}

        return self._set_schedule(call, change)

    def _set_schedule(self, call: Call, change: Any) -> Params:
        self._find(call, "CrawlerName")

        def edit(crawler: Document) -> None:
            crawler["Schedule"] = change(crawler.get("Schedule"))

        self.store.change(_arn(call, call.params["CrawlerName"]), edit)
        self._take_up()
        return {}

    def _take_up(self) -> None:
        """Wait for what is scheduled, where something is."""
        if self._timer is not None:
            self._timer.wake()
        elif any(_scheduled(one) for _, one in self._all()):
            self._timer = Timer(self._due, self.cloud.clock)

    def _all(self) -> list[tuple[str, Document]]:
        return self.store.with_status(KIND, READY, RUNNING, STOPPING)

    def _due(self) -> Iterator[Timed]:
        for arn, crawler in self._all():
            if expression := _scheduled(crawler):
                yield Timed(Schedule(expression).after, partial(self._fire, arn))

    def _fire(self, arn: str, _due: float) -> None:
        try:
            self._start(arn)
        except (Beside, Missing):
            return  # one that still runs is not started twice

    def close(self) -> None:
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        if self._timer:
            self._timer.close()
        for run in runs:
            run.interrupt()

    def _find(self, call: Call, member: str = "Name") -> Document:
        try:
            return self.store.get(_arn(call, call.params[member]))
        except Missing:
            words = f"Crawler with name {call.params[member]} does not exist"
            raise Beside("EntityNotFoundException", words) from None

    def _check_role(self, call: Call, role: str) -> None:
        """Beside: Glue may not take on a role."""
        asked = {"RoleArn": role_arn(role, call.account), "RoleSessionName": "AWS-Crawler"}
        try:
            self.cloud.assuming(GLUE, call.region).assume_role(**asked)
        except ClientError:
            words = f"Service is unable to assume provided role. Please verify role's TrustPolicy ({role})"
            raise invalid(words) from None


def role_arn(role: str, account: str) -> str:
    return role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"


def _scheduled(crawler: Document) -> str:
    found = crawler.get("Schedule") or {}
    return str(found["ScheduleExpression"]) if found.get("State") == "SCHEDULED" else ""


def _running(name: str) -> Beside:
    return Beside("CrawlerRunningException", f"Crawler with name {name} has already started")


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:glue:{call.region}:{call.account}:crawler/{name}"
