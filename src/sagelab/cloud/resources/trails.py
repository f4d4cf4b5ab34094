"""CloudTrail's trails: what is recorded goes to a bucket, every five minutes of the clock while a trail logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.events.timer import Timed, Timer
from sagelab.cloud.resources import listing, trail_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.store import Document, Exists, Resource
from sagelab.cloud.trail import records, selectors
from sagelab.cloud.trail.delivery import HOUR, Delivery
from sagelab.cloud.trail.event import Event, stamp
from sagelab.cloud.trail.journal import Row
from sagelab.cloud.trail.records import KIND, OWN
from sagelab.cloud.trail.signing import Signer

EVERY = 300  # seconds of the clock between two deliveries
LOGGING, RESTING = "Logging", "Resting"  # statuses in the store; one that was stopped rests once all is delivered
SETTINGS = {
    "S3BucketName": None,
    "S3KeyPrefix": None,
    "IncludeGlobalServiceEvents": True,
    "IsMultiRegionTrail": False,
    "CloudWatchLogsLogGroupArn": None,
    "CloudWatchLogsRoleArn": None,
    "KmsKeyId": None,
    "IsOrganizationTrail": False,
    "RecursiveLogging": None,
}
_OF_CREATION = ("HomeRegion", "HasCustomEventSelectors", "HasInsightSelectors")  # what CreateTrail does not answer


class Trails(Family):
    """The trails of one local cloud, and the thread that delivers for them."""

    service = "cloudtrail"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.signer = Signer(cloud.home.path / "trail.pem")
        self.delivery = Delivery(cloud, cloud.journal, self.signer)
        self._timer: Timer | None = None
        self._take_up()

    # Trails

    @operation("CreateTrail")
    def create(self, call: Call) -> Params:
        name, region = call.params["Name"], call.region
        trail_rules.check_name(name)
        arn = f"arn:aws:cloudtrail:{region}:{call.account}:trail/{name}"
        if self.store.has(arn):
            words = f"Trail {name} already exists for customer: {call.account}"
            raise Beside("TrailAlreadyExistsException", words)
        if len(list(self.store.documents(KIND, region))) >= trail_rules.MOST:
            words = f"User: {call.account} already has {trail_rules.MOST} trails in {region}."
            raise Beside("MaximumNumberOfTrailsExceededException", words)
        own = {"Cursor": 0, "Until": 0, "Times": {}, "Errors": {}, "Files": {}, "Digests": {}, "Hour": None}
        facts = {"Name": name, "TrailARN": arn, "HomeRegion": region, OWN: own}
        trail = _settled(SETTINGS | facts, call) | {"HasCustomEventSelectors": False, "HasInsightSelectors": False}
        trail_rules.check_settings(trail)
        trail_rules.check_places(trail, self.cloud, self.delivery)
        try:
            self.store.add(Resource(arn, KIND, region, name, RESTING, trail), _tags(call.params))
        except Exists:
            words = f"Trail {name} already exists for customer: {call.account}"
            raise Beside("TrailAlreadyExistsException", words) from None
        return {name: value for name, value in told(trail).items() if name not in _OF_CREATION}

    @operation("UpdateTrail")
    def update(self, call: Call) -> Params:
        trail = _settled(self._own(call), call)
        trail_rules.check_settings(trail)
        trail_rules.check_places(trail, self.cloud, self.delivery)
        changed = {name: value for name, value in trail.items() if name != OWN}

        def edit(document: Document) -> None:
            document |= changed
            if not document["LogFileValidationEnabled"]:
                document[OWN] |= {"Files": {}, "Digests": {}}
            elif document[OWN]["Hour"] is None:
                document[OWN]["Hour"] = self._hour()

        found = self.store.change(trail["TrailARN"], edit)
        self._take_up()
        return {name: value for name, value in told(found).items() if name not in _OF_CREATION}

    @operation("DeleteTrail")
    def delete(self, call: Call) -> Params:
        self.store.remove(self._own(call)["TrailARN"])
        self._take_up()
        return {}

    @operation("GetTrail")
    def get(self, call: Call) -> Params:
        return {"Trail": told(self._find(call, call.params["Name"]))}

    @operation("DescribeTrails")
    def describe(self, call: Call) -> Params:
        shadows = call.params.get("includeShadowTrails", True)
        found = [one for one in self._seen(call) if shadows or one["HomeRegion"] == call.region]
        if wanted := call.params.get("trailNameList"):
            found = [one for one in found if {one["Name"], one["TrailARN"]} & set(wanted)]
        return {"trailList": [told(one) for one in found]}

    @operation("ListTrails")
    def list_trails(self, call: Call) -> Params:
        members = ("TrailARN", "Name", "HomeRegion")
        return listing.page(
            call, "Trails", [{name: one[name] for name in members} for one in self._seen(call)], 100
        )

    # Logging

    @operation("StartLogging")
    def start(self, call: Call) -> Params:
        arn, number = self._own(call)["TrailARN"], self.cloud.journal.last()

        def edit(document: Document) -> str:
            own = document[OWN]
            if own["Until"] is None:
                return LOGGING
            if own["Cursor"] >= own["Until"]:  # what was there before it was stopped is delivered
                own["Cursor"] = number
            own |= {"Until": None, "Files": {}, "Digests": {}, "Hour": self._hour()}
            own["Times"]["Started"] = self.cloud.clock.real()
            return LOGGING

        self.store.change(arn, edit)
        self._take_up()
        return {}

    @operation("StopLogging")
    def stop(self, call: Call) -> Params:
        arn, number = self._own(call)["TrailARN"], self.cloud.journal.last()

        def edit(document: Document) -> None:
            if document[OWN]["Until"] is None:
                document[OWN]["Until"] = number
                document[OWN]["Times"]["Stopped"] = self.cloud.clock.real()

        self.store.change(arn, edit)
        self._take_up()
        return {}

    @operation("GetTrailStatus")
    def status(self, call: Call) -> Params:
        own = self._find(call, call.params["Name"])[OWN]
        times, errors = own["Times"], own["Errors"]
        found: Params = {
            "IsLogging": own["Until"] is None,
            "StartLoggingTime": _time(times.get("Started")),
            "StopLoggingTime": _time(times.get("Stopped")),
            "LatestDeliveryAttemptTime": _stamp(times.get("DeliveryAttempt")),
            "LatestDeliveryAttemptSucceeded": _stamp(times.get("Delivery")),
            "LatestNotificationAttemptTime": _stamp(times.get("NotificationAttempt", times.get("Notification"))),
            "LatestNotificationAttemptSucceeded": _stamp(times.get("Notification")),
            "TimeLoggingStarted": _stamp(times.get("Started")),
            "TimeLoggingStopped": _stamp(times.get("Stopped")),
        }
        for about in ("Delivery", "Notification", "CloudWatchLogsDelivery", "DigestDelivery"):
            found |= {f"Latest{about}Time": _time(times.get(about)), f"Latest{about}Error": errors.get(about)}
        return found

    @operation("PutEventSelectors")
    def select(self, call: Call) -> Params:
        arn = self._own(call, "TrailName")["TrailARN"]
        basic, advanced = call.params.get("EventSelectors"), call.params.get("AdvancedEventSelectors")
        if fault := selectors.check(basic, advanced):
            raise Beside("InvalidEventSelectorsException", fault)
        whole = [selectors.DEFAULT | one for one in basic or []]

        def edit(document: Document) -> None:
            document[OWN] |= {"BasicSelectors": whole, "AdvancedSelectors": advanced or []}
            document["HasCustomEventSelectors"] = whole != [selectors.DEFAULT]

        self.store.change(arn, edit)
        self._take_up()
        return {"TrailARN": arn} | ({"EventSelectors": whole} if basic else {"AdvancedEventSelectors": advanced})

    @operation("GetEventSelectors")
    def selected(self, call: Call) -> Params:
        trail = self._find(call, call.params["TrailName"])
        found = records.selectors(trail)
        chosen: Params = {"EventSelectors": list(found.basic)}
        if found.advanced:
            chosen = {"AdvancedEventSelectors": list(found.advanced)}
        return {"TrailARN": trail["TrailARN"]} | chosen

    # Tags

    @operation("AddTags")
    def tag(self, call: Call) -> Params:
        arn, tags = self._tagged(call, call.params["ResourceId"]), _tags(call.params)
        if len(self.store.tags(arn) | tags) > trail_rules.MOST_TAGS:
            words = f"A trail has {trail_rules.MOST_TAGS} tags at most."
            raise Beside("TagsLimitExceededException", words)
        self.store.tag(arn, tags)
        return {}

    @operation("RemoveTags")
    def untag(self, call: Call) -> Params:
        self.store.untag(self._tagged(call, call.params["ResourceId"]), list(_tags(call.params)))
        return {}

    @operation("ListTags")
    def tags(self, call: Call) -> Params:
        found = []
        for asked in call.params["ResourceIdList"]:
            tags = self.store.tags(self._tagged(call, asked))
            found.append({"ResourceId": asked, "TagsList": [{"Key": k, "Value": v} for k, v in tags.items()]})
        return {"ResourceTagList": found}

    def close(self) -> None:
        """What is recorded by now is delivered; what comes after is once the local cloud runs again."""
        if self._timer:
            self._timer.close()
            self.look()

    # What is delivered

    def look(self) -> None:
        """Deliver for every trail that logs, and for those that were stopped what they have not yet."""
        for arn, _ in self.store.with_status(KIND, LOGGING):
            self.delivery.deliver(arn)
            self.delivery.digest(arn)
            self.store.change(arn, _rest)
        self._take_up()

    def _take_up(self) -> None:
        """Let the journal know which data events somebody wants, and deliver in time where somebody does."""
        logging = [one for _, one in self.store.with_status(KIND, LOGGING)]
        of_data = [(one, found) for one in logging if (found := records.selectors(one)).of_data]
        self.cloud.journal.wanted = partial(_wants, of_data) if of_data else None
        if logging and self._timer is None:
            self._timer = Timer(self._due, self.cloud.clock)

    def _due(self) -> Iterator[Timed]:
        yield Timed(lambda moment: (moment // EVERY + 1) * EVERY, lambda _: self.look())

    def _hour(self) -> int:
        return int(self.cloud.clock.now() // HOUR)

    def _seen(self, call: Call) -> list[Document]:
        """The trails that a region shows: its own, and those of all regions."""
        found = [one for _, one in self.store.with_status(KIND, LOGGING, RESTING)]
        return [one for one in found if one["IsMultiRegionTrail"] or one["HomeRegion"] == call.region]

    def _find(self, call: Call, asked: str) -> Document:
        """The trail that was judged: one of another region is named by its ARN."""
        region, name = trail_rules.read_name(asked, call.region, call.account)
        for one in self._seen(call):
            if (one["Name"], one["HomeRegion"]) == (name, region):
                return one
        raise Beside("TrailNotFoundException", f"Unknown trail: {asked} for the user: {call.account}")

    def _own(self, call: Call, member: str = "Name") -> Document:
        """The trail that is to be changed, which is one of this region."""
        asked = call.params[member]
        named = [one for one in self._seen(call) if asked in (one["Name"], one["TrailARN"])]
        if named and all(one["HomeRegion"] != call.region for one in named):
            arn, home = named[0]["TrailARN"], named[0]["HomeRegion"]
            words = f"Trail {arn} can be changed in its home region alone, {home}."
            raise Beside("InvalidHomeRegionException", words)
        return self._find(call, asked)

    def _tagged(self, call: Call, asked: str) -> str:
        try:
            return str(self._find(call, asked)["TrailARN"])
        except Beside as error:
            code = "ResourceNotFoundException" if error.code == "TrailNotFoundException" else error.code
            raise Beside(code, error.message) from None


def told(trail: Document) -> Params:
    """A trail as GetTrail tells it."""
    return {name: value for name, value in trail.items() if name != OWN and value is not None}


def _settled(trail: Document, call: Call) -> Document:
    """A trail with what a request asks for."""
    asked = call.params
    changed = {name: asked[name] for name in SETTINGS if name in asked}
    if "SnsTopicName" in asked:
        topic = trail_rules.topic_arn(asked, call.region, call.account)
        changed |= {"SnsTopicName": asked["SnsTopicName"] or None, "SnsTopicARN": topic}
    validated = asked.get("EnableLogFileValidation", trail.get("LogFileValidationEnabled", False))
    return trail | changed | {"LogFileValidationEnabled": validated}


def _wants(trails: list[tuple[Document, selectors.Selectors]], event: Event | Row) -> bool:
    return any(records.takes(trail, chosen, event) for trail, chosen in trails)


def _rest(document: Document) -> str | None:
    own = document[OWN]
    return RESTING if own["Until"] is not None and own["Cursor"] >= own["Until"] else None


def _tags(params: Params) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in params.get("TagsList") or []}


def _time(seconds: Any) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _stamp(seconds: Any) -> str:
    return "" if seconds is None else stamp(seconds)
