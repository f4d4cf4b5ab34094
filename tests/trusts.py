"""A role's trust policy for tests: everybody in the account may take it on, and SageMaker."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT = "123456789012"


def trusting(principal: Any) -> str:
    """A trust policy for one Principal."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "sagemaker.amazonaws.com"})
