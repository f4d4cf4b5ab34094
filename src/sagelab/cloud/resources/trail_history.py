"""CloudTrail's history of events, for 90 days and without any trail; and the key that its digests are signed with.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.trails import Trails
from sagelab.cloud.trail.journal import KEPT, Row, Search
from sagelab.cloud.trail.signing import VALID

PAGE = 50


class TrailHistory(Family):
    """What was called in a region, the newest first."""

    service = "cloudtrail"
    needs = (Trails,)

    def __init__(self, cloud: Cloud, trails: Trails) -> None:
        super().__init__(cloud)
        self._signer = trails.signer

    @operation("LookupEvents")
    def lookup(self, call: Call) -> Params:
        params, now = call.params, time.time()
        attributes = params.get("LookupAttributes") or []
        if len(attributes) > 1:
            raise Beside("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
        start, end = _span(params, now)
        if params.get("EventCategory") == "insight":
            return {"Events": []}  # nobody looks for what is unusual, so nothing was found
        limit = params.get("MaxResults", PAGE)
        attribute = (attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]) if attributes else None
        found = self.cloud.journal.search(
            Search(call.region, start, end, limit + 1, _read_token(params.get("NextToken")), attribute)
        )
        more = (found[limit - 1].number, "") if len(found) > limit else None
        return {"Events": [_told(row) for row in found[:limit]], "NextToken": listing.write_token(more)}

    @operation("ListPublicKeys")
    def keys(self, call: Call) -> Params:
        start, end = _span(call.params, time.time())
        key = self._signer.public()
        if end < key.since or start > key.since + VALID:
            return {"PublicKeyList": []}
        valid = [datetime.fromtimestamp(at, UTC) for at in (key.since, key.since + VALID)]
        row = {"Value": key.value, "ValidityStartTime": valid[0], "ValidityEndTime": valid[1]}
        return {"PublicKeyList": [row | {"Fingerprint": key.fingerprint}]}


def _span(params: Params, now: float) -> tuple[float, float]:
    """Epoch seconds. Beside: the time ends before it starts."""
    start = params["StartTime"].timestamp() if "StartTime" in params else now - KEPT
    end = params["EndTime"].timestamp() if "EndTime" in params else now + 1
    if start > end:
        raise Beside("InvalidTimeRangeException", "The start time is after the end time.")
    return start, end


def _read_token(token: str | None) -> int | None:
    try:
        found = listing.read_token(token)
    except ValidationException:
        raise Beside("InvalidNextTokenException", "Invalid NextToken.") from None
    if found is None:
        return None
    if not isinstance(found[0], int):
        raise Beside("InvalidNextTokenException", "Invalid NextToken.")
    return found[0]


def _told(row: Row) -> Params:
    found: Params = {
        "EventId": row.id,
        "EventName": row.name,
        "ReadOnly": "true" if row.read else "false",
        "EventTime": datetime.fromtimestamp(int(row.time), UTC),
        "EventSource": row.source,
        "Resources": row.resources,
        "CloudTrailEvent": row.record,
    }
    found |= {"Username": row.user} if row.user else {}
    return found | ({"AccessKeyId": row.key} if row.key else {})
