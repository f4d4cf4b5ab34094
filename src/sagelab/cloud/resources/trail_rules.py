"""What CloudTrail may be asked for here, in AWS's words where they are known.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.context import TRAILS
from sagelab.cloud.resources.call import Beside, Params
from sagelab.cloud.store import Document
from sagelab.cloud.trail import records

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud
    from sagelab.cloud.trail.delivery import Delivery

MOST, MOST_TAGS, LONGEST_PREFIX = 5, 50, 200
_NAME, _ARN = re.compile(r"[\w.-]+", re.ASCII), re.compile(r"arn:aws:cloudtrail:([\w-]+):(\d{12}):trail/(.+)")
_GROUP = re.compile(r"arn:aws:logs:[\w-]+:\d{12}:log-group:[^:*]{1,512}:\*")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_CHARACTERS = "uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_)."


def check_name(name: str) -> None:
    """Beside: it is no name of a trail."""
    length, fault = len(name), ""
    if length < 3:
        fault = "Trail name too short. Minimum allowed length: 3 characters."
        fault += f" Specified name length: {length} characters."
    elif length > 128:
        fault = "Trail name too long. Maximum allowed length: 128 characters."
        fault += f" Specified name length: {length} characters."
    elif not _NAME.fullmatch(name):
        fault = f"Trail name or ARN can only contain {_CHARACTERS}"
    elif not (name[0].isalnum() and name[-1].isalnum()):
        fault = "Trail name must starts and ends with a letter or number."
    elif re.search(r"[._-]{2}", name) or _ADDRESS.fullmatch(name):
        fault = "Trail name cannot have adjacent periods, underscores or hyphens, nor the form of an IP address."
    if fault:
        raise Beside("InvalidTrailNameException", fault)


def read_name(asked: str, region: str, account: str) -> tuple[str, str]:
    """(region, name) of the trail that a request names, by its name or its ARN."""
    if not asked.startswith("arn:"):
        check_name(asked)
        return region, asked
    found = _ARN.fullmatch(asked)
    if found is None or found[2] != account:
        raise Beside("CloudTrailARNInvalidException", f"The ARN {asked} is none of a trail of this account.")
    check_name(found[3])
    return found[1], found[3]


def check_settings(trail: Document) -> None:
    """Beside: settings that do not go together, or that the local cloud does not have."""
    if trail["IsMultiRegionTrail"] and not trail["IncludeGlobalServiceEvents"]:
        words = "Multi-Region trail must include global service events."
        raise Beside("InvalidParameterCombinationException", words)
    if trail["IsOrganizationTrail"]:
        words = "Your account is not a member of an organization: the local cloud has one account."
        raise Beside("OrganizationsNotInUseException", words)
    if trail.get("RecursiveLogging"):
        words = "RecursiveLogging: what writes trails is never recorded here."
        raise Beside("InvalidParameterException", words)
    if len(trail.get("S3KeyPrefix") or "") > LONGEST_PREFIX:
        words = f"The S3 key prefix is longer than {LONGEST_PREFIX} characters."
        raise Beside("InvalidS3PrefixException", words)
    group, role = trail.get("CloudWatchLogsLogGroupArn"), trail.get("CloudWatchLogsRoleArn")
    if bool(group) != bool(role):
        words = "CloudWatchLogsLogGroupArn and CloudWatchLogsRoleArn go together."
        raise Beside("InvalidParameterCombinationException", words)
    if group and not _GROUP.fullmatch(group):
        words = "CloudTrail cannot validate the specified log group ARN."
        raise Beside("InvalidCloudWatchLogsLogGroupArnException", words)


def check_places(trail: Document, cloud: Cloud, delivery: Delivery) -> None:
    """Try what a trail will do, as CloudTrail: what refuses it is said in AWS's words.

    As on AWS, the bucket has the empty folder of the trail's log files afterwards.
    """
    bucket, s3 = trail["S3BucketName"], delivery.bucket(trail)
    _check_key(trail, cloud)
    key = f"{records.place(trail, cloud.account, 'CloudTrail')}/"
    try:
        cloud.client("s3").head_bucket(Bucket=bucket)
        s3.get_bucket_acl(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=b"", ACL="bucket-owner-full-control", **records.seal(trail))
    except (ClientError, BotoCoreError) as error:
        raise _of_bucket(error, trail) from None
    topic = trail.get("SnsTopicARN")
    if topic and not cloud.alarms.actions.takes(TRAILS, "sns:Publish", topic, trail["TrailARN"]):
        words = "SNS Topic does not exist or the topic policy is incorrect!"
        raise Beside("InsufficientSnsTopicPolicyException", words)
    if trail.get("CloudWatchLogsLogGroupArn"):
        _check_group(trail, cloud)


def _check_key(trail: Document, cloud: Cloud) -> None:
    """A trail's key goes by its ARN. Beside: it cannot encrypt."""
    if not (asked := trail.get("KmsKeyId")):
        return
    region = asked.split(":")[3] if asked.startswith("arn:aws:kms:") else trail["HomeRegion"]
    try:
        found = cloud.client("kms", region).describe_key(KeyId=asked)["KeyMetadata"]
    except (ClientError, BotoCoreError):
        words = f"KMS key {asked} does not exist, or is not in the region of the bucket."
        raise Beside("KmsKeyNotFoundException", words) from None
    if found["KeyState"] != "Enabled":
        raise Beside("KmsKeyDisabledException", f"KMS key {asked} is {found['KeyState']}.")
    trail["KmsKeyId"] = found["Arn"]


def _of_bucket(error: Exception, trail: Document) -> Beside:
    bucket, key = trail["S3BucketName"], trail.get("KmsKeyId")
    said: dict[str, Any] = error.response["Error"] if isinstance(error, ClientError) else {}
    code, words = str(said.get("Code", "")), str(said.get("Message", error))
    if code in ("NoSuchBucket", "404"):
        return Beside("S3BucketDoesNotExistException", f"S3 bucket {bucket} does not exist!")
    if key and "kms:" in words:
        words = f"Insufficient permissions to access S3 bucket {bucket} or KMS key {key}."
        return Beside("InsufficientEncryptionPolicyException", words)
    if code in ("AccessDenied", "AccessDeniedException"):
        words = f"Incorrect S3 bucket policy is detected for bucket: {bucket}"
        return Beside("InsufficientS3BucketPolicyException", words)
    return Beside("InvalidS3BucketNameException", words)


def _check_group(trail: Document, cloud: Cloud) -> None:
    group, role = trail["CloudWatchLogsLogGroupArn"], trail["CloudWatchLogsRoleArn"]
    where = {
        "logGroupName": group.split(":")[6],
        "logStreamName": f"{cloud.account}_CloudTrail_{trail['HomeRegion']}",
    }
    try:
        cloud.client_as(role, "logs", group.split(":")[3], by=TRAILS).create_log_stream(**where)
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code == "ResourceAlreadyExistsException":
            return
        if code == "ResourceNotFoundException":
            words = "CloudTrail cannot validate the specified log group ARN."
            raise Beside("InvalidCloudWatchLogsLogGroupArnException", words) from None
        words = "Access denied. Verify in IAM that the role has adequate permissions."
        raise Beside("InvalidCloudWatchLogsRoleArnException", words) from None


def topic_arn(params: Params, region: str, account: str) -> str | None:
    """The ARN of the topic that a request names."""
    name = params.get("SnsTopicName")
    if not name:
        return None
    return name if name.startswith("arn:") else f"arn:aws:sns:{region}:{account}:{name}"
