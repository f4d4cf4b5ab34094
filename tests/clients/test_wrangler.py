"""AWS SDK for pandas (awswrangler), as it is, on Athena, Glue's catalogue and S3."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.conftest import SCRIPTS, Run, environment
from tests.conftest import LocalCloud

pytestmark = pytest.mark.long


def test_aws_sdk_for_pandas(cloud: LocalCloud, run: Run, unique: Callable[[str], str]) -> None:
    python, bucket = environment("wrangler") / "bin/python", unique("wrangler")
    cloud.client("s3").create_bucket(Bucket=bucket)
    ran = run(str(python), str(SCRIPTS / "wrangler.py"), bucket, unique("db").replace("-", "_"))
    assert (ran.code, ran.out) == (0, "all is well\n"), ran.err
