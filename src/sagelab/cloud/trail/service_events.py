"""What a service does by itself for somebody, without a request to its API: events of the type AwsServiceEvent.

https://docs.aws.amazon.com/sagemaker/latest/dg/logging-using-cloudtrail.html
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from sagelab.cloud.trail.event import VERSION, Event, Thing, stamp
from sagelab.cloud.trail.journal import Journal


def note(
    journal: Journal, where: tuple[str, str], source: str, name: str, details: dict[str, Any], *things: Thing
) -> None:
    """Keep such an event. where: (region, account). source: "sagemaker.amazonaws.com"."""
    (region, account), now, number = where, time.time(), str(uuid.uuid4())
    record: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": {"accountId": account, "invokedBy": source},
        "eventTime": stamp(now),
        "eventSource": source,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": source,
        "userAgent": source,
        "requestParameters": None,
        "responseElements": None,
        "eventID": number,
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "serviceEventDetails": details,
        "eventCategory": "Management",
    }
    journal.add(Event(region, now, source, name, False, "", "", number, things, "", "", record))
