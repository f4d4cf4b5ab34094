"""Which events a trail takes."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.trail import selectors
from sagelab.cloud.trail.event import Event
from sagelab.cloud.trail.selectors import DEFAULT, Selectors

S3, KEY = "AWS::S3::Object", "arn:aws:s3:::data/train/x"


def event(
    name: str = "CreateRole", source: str = "iam", read: bool = False, kind: str = "", arn: str = ""
) -> Event:
    record = {"userIdentity": {"arn": "arn:aws:iam::1:user/me"}, "eventType": "AwsApiCall"}
    return Event("us-east-1", 0.0, f"{source}.amazonaws.com", name, read, "me", "", "id", (), kind, arn, record)


def basic(**more: Any) -> Selectors:
    return Selectors((DEFAULT | more,))


def advanced(**fields: Any) -> dict[str, Any]:
    found = []
    for name, tests in fields.items():
        field = name.replace("_", ".")
        found.append({"Field": field} | (tests if isinstance(tests, dict) else {"Equals": [tests]}))
    return {"FieldSelectors": found}


READ, DECRYPT = event("GetRole", read=True), event("Decrypt", "kms", read=True)
PUT, GET = event("PutObject", "s3", kind=S3, arn=KEY), event("GetObject", "s3", read=True, kind=S3, arn=KEY)
ON_DATA = [{"Type": S3, "Values": ["arn:aws:s3:::data/train/"]}]
DATA = {"eventCategory": "Data", "resources_type": S3}


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        (Selectors(), [READ, DECRYPT]),
        (basic(ReadWriteType="WriteOnly"), []),
        (basic(ExcludeManagementEventSources=["kms.amazonaws.com"]), [READ]),
        (basic(IncludeManagementEvents=False, DataResources=ON_DATA), [PUT, GET]),
        (basic(ReadWriteType="ReadOnly", DataResources=ON_DATA), [READ, DECRYPT, GET]),
        (basic(DataResources=[{"Type": S3, "Values": ["arn:aws:s3:::other/"]}]), [READ, DECRYPT]),
        (basic(DataResources=[{"Type": S3, "Values": ["arn:aws:s3"]}]), [READ, DECRYPT, PUT, GET]),
        (Selectors((), (advanced(eventCategory="Management"),)), [READ, DECRYPT]),
        (Selectors((), (advanced(**DATA, readOnly="true"),)), [GET]),
        (Selectors((), (advanced(**DATA, resources_ARN={"StartsWith": ["arn:aws:s3:::data/"]}),)), [PUT, GET]),
        (Selectors((), (advanced(**DATA, resources_ARN={"NotStartsWith": ["arn:aws:s3:::data/"]}),)), []),
        (Selectors((), (advanced(**DATA, eventName={"NotEquals": ["PutObject"]}),)), [GET]),
        (Selectors((), (advanced(**DATA, userIdentity_arn={"EndsWith": ["user/you"]}),)), []),
        (Selectors((), (advanced(**DATA, userIdentity_arn={"EndsWith": ["user/me"]}),)), [PUT, GET]),
    ],
)
def test_selectors_take_what_they_name(chosen: Selectors, taken: list[Event]) -> None:
    assert [one for one in (READ, DECRYPT, PUT, GET) if chosen.take(one)] == taken


def test_only_selectors_with_data_resources_want_data() -> None:
    assert not Selectors().of_data
    assert basic(DataResources=ON_DATA).of_data
    assert Selectors((), (advanced(**DATA),)).of_data
    assert not Selectors((), (advanced(eventCategory="Management"),)).of_data


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ((None, None), "one of them alone"),
        (([DEFAULT], [advanced(**DATA)]), "one of them alone"),
        (([DEFAULT] * 6, None), "5 event selectors"),
        (([{"ExcludeManagementEventSources": ["s3.amazonaws.com"]}], None), "nothing else"),
        (([{"DataResources": [{"Type": "AWS::SNS::Topic", "Values": ["arn:aws:sns"]}]}], None), "has a Type"),
        (([{"DataResources": [{"Type": S3, "Values": ["data/"]}]}], None), "are ARNs"),
        (([{"DataResources": [{"Type": S3, "Values": ["arn:aws:s3"] * 251}]}], None), "250 data resources"),
        ((None, [advanced(eventName="x")]), "eventCategory"),
        ((None, [advanced(eventCategory="Data")]), "resources.type"),
        ((None, [advanced(**DATA, color="red")]), "is one of"),
        ((None, [advanced(eventCategory="Management", readOnly={"NotEquals": ["true"]})]), "Equals alone"),
        ((None, [advanced(**DATA, eventName={"Equals": ["x"] * 501})]), "500 values"),
        (([DEFAULT | {"DataResources": ON_DATA}], None), None),
        ((None, [advanced(**DATA)]), None),
    ],
)
def test_what_is_wrong_with_selectors_is_said(given: Any, fault: str | None) -> None:
    found = selectors.check(*given)
    assert found is None if fault is None else fault in str(found)
