"""What a job reads is in the trail that its bucket's owner keeps: by the job's role, and by nobody else."""

from __future__ import annotations

import gzip
import json
from typing import Any

from sagelab.cloud import control
from sagelab.cloud.clock import set_speed
from sagelab.cloud.home import ACCOUNT, ROLE_NAME, Home
from tests.cloud.jobs import LIGHT, Jobs
from tests.conftest import LocalCloud
from tests.waiting import until


def test_the_role_of_a_job_is_seen_to_read_its_data(home: Home) -> None:
    with control.running(home) as url:
        set_speed(home, 600)
        cloud = LocalCloud(home, url)
        jobs, trail = Jobs(cloud, image=LIGHT), cloud.client("cloudtrail")
        arn = keep_trail(cloud, jobs.bucket)
        uri = jobs.put("data/digits.csv", b"1,2\n")
        request = jobs.shell("cat /opt/ml/input/data/train/*", InputDataConfig=[jobs.channel("train", uri)])
        assert jobs.run(request)["TrainingJobStatus"] == "Completed"
        trail.stop_logging(Name=arn)
        wanted = until(lambda: reads(cloud, "data/digits.csv"), bool)
        who = {record["userIdentity"]["arn"] for record in wanted}
        assert who == {f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/SageMaker"}
        assert {record["sourceIPAddress"] for record in wanted} == {"sagemaker.amazonaws.com"}


def keep_trail(cloud: LocalCloud, bucket: str) -> str:
    """The ARN of a trail of what is done to the objects of a bucket; its files are in the bucket "trail-files"."""
    s3, trail = cloud.client("s3"), cloud.client("cloudtrail")
    s3.create_bucket(Bucket="trail-files")
    on = ["arn:aws:s3:::trail-files", "arn:aws:s3:::trail-files/*"]
    let = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Resource": on}
    statement = let | {"Action": ["s3:GetBucketAcl", "s3:PutObject"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket="trail-files", Policy=document)
    arn = str(trail.create_trail(Name="objects", S3BucketName="trail-files")["TrailARN"])
    resources = [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{bucket}/"]}]
    trail.put_event_selectors(TrailName=arn, EventSelectors=[{"DataResources": resources}])
    trail.start_logging(Name=arn)
    return arn


def reads(cloud: LocalCloud, key: str) -> list[dict[str, Any]]:
    """The records of reads of an object in the trail's files."""
    s3 = cloud.client("s3")
    listed = s3.list_objects_v2(Bucket="trail-files").get("Contents", [])
    bodies = [s3.get_object(Bucket="trail-files", Key=one["Key"])["Body"].read() for one in listed if one["Size"]]
    records = [record for body in bodies for record in json.loads(gzip.decompress(body))["Records"]]
    return [
        record
        for record in records
        if record["eventName"] == "GetObject" and record["requestParameters"]["key"] == key
    ]
