from __future__ import annotations

import json

import pytest

from sagelab.cloud.engine.vpc.reach import GATEWAY, Way
from sagelab.cloud.gateway.auth import endpoints
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.origins import Origin

ROLE = Key("ASIA", "", "arn:aws:sts::123456789012:assumed-role/r/lab", "id", "123456789012")
VAULT = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::vault/*"}
BY = Origin("vpc-1", Way(GATEWAY, "vpce-1", json.dumps({"Statement": [VAULT]})), "10.0.0.4")
KEY = Needed("kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/k")


@pytest.mark.parametrize(("bucket", "effect"), [("vault", None), ("elsewhere", "implicitDeny")])
def test_what_comes_by_an_endpoint_is_what_its_policy_allows(bucket: str, effect: str | None) -> None:
    needed = Needed("s3:GetObject", f"arn:aws:s3:::{bucket}/x")
    found = endpoints.refusal(BY, ROLE, "s3", needed, {})
    assert (found and found.effect) == effect


def test_what_s3_asks_kms_for_does_not_come_by_its_endpoint() -> None:
    assert endpoints.refusal(BY, ROLE, "s3", KEY, {}) is None
    assert endpoints.refusal(BY, ROLE, "kms", KEY, {})
