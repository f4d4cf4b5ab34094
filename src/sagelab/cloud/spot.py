"""The spot market of one local cloud: its setting in the home, and an interruption by hand."""

from __future__ import annotations

from collections.abc import Mapping

from sagelab.cloud.engine.jobs.market import INTERRUPT, NOW, Market, change
from sagelab.cloud.errors import ControlError
from sagelab.cloud.home import DEFAULT_REGION, Home

AREA = "spot"
CLUSTER = "j-"  # how the id of a cluster of EMR begins


def read_market(home: Home) -> Market:
    """The market that spot jobs of this home are on, unless their tags ask for another."""
    return change(Market(), home.settings().get(AREA, {}))


def set_market(home: Home, facts: Mapping[str, str]) -> Market:
    """Change some facts of the market, for the jobs that start from now on. ControlError: they are no numbers."""
    kept = home.settings().get(AREA, {}) | dict(facts)
    try:
        market = change(Market(), kept)
    except ValueError as error:
        raise ControlError(f"{error}.") from None
    home.set(AREA, kept)
    return market


def interrupt(home: Home, job: str) -> None:
    """Take the capacity of a running spot job away now, or all spot task instances of a cluster (j-...).

    ControlError: no local cloud runs, or there is no such capacity.
    """
    import boto3
    import botocore.exceptions

    from sagelab.cloud.control import find_url

    keys = home.credentials()
    session = boto3.Session(keys.access_key_id, keys.secret_access_key, region_name=DEFAULT_REGION)
    try:
        if job.startswith(CLUSTER):
            emr = session.client("emr", endpoint_url=find_url(home))
            emr.add_tags(ResourceId=job, Tags=[{"Key": INTERRUPT, "Value": NOW}])
            return
        sagemaker = session.client("sagemaker", endpoint_url=find_url(home))
        arn = sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobArn"]
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": INTERRUPT, "Value": NOW}])
    except botocore.exceptions.ClientError as error:
        raise ControlError(error.response["Error"]["Message"]) from None
