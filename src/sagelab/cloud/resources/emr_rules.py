"""What EMR refuses of a cluster, its instances and its steps: by AWS's rules, and what nothing here can do.

https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sagelab.cloud.resources.call import Beside, Params
from sagelab.spark import configuration

MOST, SPARE = 10, 3  # instances of a cluster, here; how many may come later
MOST_ACTIVE = 4  # clusters at a time, here
STEPS, ACTIONS = 256, 16  # https://docs.aws.amazon.com/emr/latest/ManagementGuide/AddMoreThan256Steps.html
IDLE_LEAST, IDLE_MOST = 60, 604_800  # seconds
LEVELS = range(1, 257)
RELEASE = re.compile(r"emr-\d{1,2}\.\d{1,3}\.\d{1,3}(-latest)?")
LOG_URI = re.compile(r"s3[an]?://([a-z0-9][a-z0-9.-]{2,62})(/.*)?")
APPLICATIONS = ("Spark", "Hadoop")
RUNNERS = ("command-runner.jar", "script-runner.jar")
NOT_HERE = (
    *("AmiVersion", "CustomAmiId", "SecurityConfiguration", "KerberosAttributes", "ManagedScalingPolicy"),
    *(
        "AutoScalingRole",
        "PlacementGroupConfigs",
        "MonitoringConfiguration",
        "AdditionalInfo",
        "SupportedProducts",
    ),
    *(
        "NewSupportedProducts",
        "LogEncryptionKmsKeyId",
        "StepExecutionRoleArn",
        "RepoUpgradeOnBoot",
        "OSReleaseLabel",
    ),
)
NOT_OF_INSTANCES = (
    *("Ec2SubnetId", "Ec2SubnetIds", "Placement", "EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup"),
    *("ServiceAccessSecurityGroup", "AdditionalMasterSecurityGroups", "AdditionalSlaveSecurityGroups"),
    *("Ec2KeyName", "HadoopVersion"),
)
NOT_OF_GROUPS = ("Configurations", "AutoScalingPolicy", "CustomAmiId")
# What a step may ask command-runner.jar for that stands for a program which is not here.
PROGRAMS = {
    "hive-script": "Hive",
    "hive": "Hive",
    "beeline": "Hive",
    "pig-script": "Pig",
    "pig": "Pig",
    "hbase": "HBase",
    "presto-cli": "Presto",
    "trino-cli": "Trino",
    "flink-run": "Flink",
    "flink": "Flink",
    "sqoop": "Sqoop",
    "oozie": "Oozie",
    "hadoop-streaming": "Hadoop MapReduce",
    "hadoop": "Hadoop MapReduce",
    "mapred": "Hadoop MapReduce",
    "yarn": "YARN",
    "hdfs": "HDFS",
    "s3-dist-cp": "S3DistCp",
    "spark-sql": "Spark SQL's shell",
    "spark-shell": "Spark's shell",
    "spark-example": "Spark's examples",
}
ARGUMENTS = 10_280  # characters of a step's arguments


def invalid(words: str) -> Beside:
    """https://docs.aws.amazon.com/emr/latest/APIReference/CommonErrors.html"""
    return Beside("ValidationException", words)


def refused(words: str) -> Beside:
    """https://docs.aws.amazon.com/emr/latest/APIReference/API_InvalidRequestException.html"""
    return Beside("InvalidRequestException", words)


def absent(member: str) -> Beside:
    return invalid(f"{member} is not something the local cloud can do.")


def check(params: Params) -> None:
    """Beside: a cluster is asked for that cannot be."""
    for member, words in (("JobFlowRole", "InstanceProfile"), ("ServiceRole", "ServiceRole")):
        if not params.get(member):
            raise invalid(f"{words} is required for creating cluster.")
    if not RELEASE.fullmatch(params.get("ReleaseLabel") or ""):
        raise invalid(f"The supplied release label is invalid: {params.get('ReleaseLabel')}.")
    for member in NOT_HERE:
        if params.get(member):
            raise absent(member)
    if params.get("SessionEnabled") or params.get("ExtendedSupport"):
        raise absent("SessionEnabled" if params.get("SessionEnabled") else "ExtendedSupport")
    _check_applications(params.get("Applications") or [])
    if params.get("LogUri") and not LOG_URI.fullmatch(params["LogUri"]):
        raise invalid(f"Specified log URI is not valid: {params['LogUri']}")
    _check_configurations(params.get("Configurations") or [])
    check_level(params.get("StepConcurrencyLevel", 1))
    if len(params.get("BootstrapActions") or []) > ACTIONS:
        raise invalid(f"Maximum number of bootstrap actions ({ACTIONS}) exceeded")
    if policy := params.get("AutoTerminationPolicy"):
        check_policy(policy)
    check_instances(params["Instances"])


def _check_applications(applications: list[Params]) -> None:
    for one in applications:
        name = one.get("Name") or ""
        if name.lower() not in [known.lower() for known in APPLICATIONS]:
            raise invalid(
                f"Specified application: {name} is not valid for this release: the local cloud has Spark, and of"
                " Hadoop the libraries that Spark brings."
            )
        if one.get("Args") or one.get("AdditionalInfo"):
            raise absent(f"Args of the application {name}")


def _check_configurations(given: list[Params]) -> None:
    try:
        configuration.parse(given)
    except ValueError as error:
        raise invalid(f"Configurations: {error}") from None


def check_level(level: int) -> None:
    if level not in LEVELS:
        raise invalid("The step concurrency level must be between 1 and 256.")


def check_policy(policy: Params) -> None:
    """https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html"""
    if not IDLE_LEAST <= policy.get("IdleTimeout", 3600) <= IDLE_MOST:
        raise invalid(f"IdleTimeout must be between {IDLE_LEAST} and {IDLE_MOST} seconds.")


def check_instances(instances: Params) -> None:
    """Beside: what a cluster is to have cannot be."""
    for member in NOT_OF_INSTANCES:
        if instances.get(member):
            raise absent(f"Instances.{member}")
    ways = ("InstanceGroups", "InstanceFleets", "MasterInstanceType")
    asked = [way for way in ways if instances.get(way)]
    if len(asked) > 1:
        raise invalid(
            "Please configure instances using one and only one of the following: instance groups; instance"
            " fleets; or master instance type, slave instance type and instance count."
        )
    if not asked:
        raise invalid("The master instance type is required.")


def check_groups(groups: list[Params]) -> None:
    """Of a new cluster."""
    roles = [group["InstanceRole"] for group in groups]
    if roles.count("MASTER") != 1:
        raise invalid("Instance groups must have exactly one master instance group.")
    if roles.count("CORE") > 1:
        raise invalid("Instance groups must have at most one core instance group.")
    if "TASK" in roles and "CORE" not in roles:
        raise invalid("Clusters with task instance groups must also have a core instance group.")
    for group in groups:
        check_group(group)
        if group["InstanceRole"] == "MASTER" and group["InstanceCount"] != 1:
            raise absent("A master instance group of three")


def check_group(group: Params) -> None:
    for member in NOT_OF_GROUPS:
        if group.get(member):
            raise absent(f"{member} of an instance group")
    if group["InstanceCount"] < 0 or (group["InstanceRole"] != "TASK" and group["InstanceCount"] < 1):
        raise invalid("Instance count must be greater than 0.")
    bid = group.get("BidPrice")
    if bid and group.get("Market") != "SPOT":
        raise invalid("Bid price is only valid for instance groups with market type SPOT.")
    if bid and not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", bid):
        raise invalid(f"Invalid bid price: {bid}")


def check_count(groups: list[Params], most: int) -> None:
    """Beside: there would be more instances than a cluster has here."""
    count = sum(group["Requested"] for group in groups)
    if count > most:
        raise invalid(f"The local cloud gives this cluster {most} instances at the most; it would have {count}.")


def check_steps(steps: list[Params], level: int) -> None:
    """Beside: a step that cannot be."""
    for step in steps:
        if level > 1 and step.get("ActionOnFailure", "") not in ("", "CONTINUE"):
            raise invalid(
                f"ActionOnFailure {step['ActionOnFailure']} is not valid: with a step concurrency level greater"
                " than 1 it must be CONTINUE."
            )
        _check_jar(step["HadoopJarStep"])


def _check_jar(jar: Mapping[str, Any]) -> None:
    name, args = jar["Jar"].rpartition("/")[2], jar.get("Args") or []
    if name not in RUNNERS:
        raise invalid(
            f"HadoopJarStep.Jar {jar['Jar']}: the local cloud has no Hadoop MapReduce; command-runner.jar runs"
            " spark-submit and the instance's programs, script-runner.jar a script of S3."
        )
    for member in ("MainClass", "Properties"):
        if jar.get(member):
            raise absent(f"HadoopJarStep.{member} with {name}")
    if not args:
        raise invalid(f"HadoopJarStep.Args: {name} is given nothing to run.")
    program = args[0].rpartition("/")[2]
    if name == RUNNERS[0] and program in PROGRAMS:
        raise invalid(f"HadoopJarStep.Args: {program}: the local cloud has no {PROGRAMS[program]}; Spark runs.")
    if sum(map(len, args)) > ARGUMENTS:
        raise invalid(f"HadoopJarStep.Args have more than {ARGUMENTS:,} characters.")
    for word in args:
        if "hdfs://" in word:
            raise invalid(f"HadoopJarStep.Args: {word}: the local cloud has no HDFS; give an s3:// URI.")


def check_more(going: int, more: int) -> None:
    """Beside: there would be too many steps that wait or run."""
    if going + more > STEPS:
        raise invalid("Maximum number of steps for job flow exceeded")


def check_added(groups: list[Params], added: list[Params], most: int) -> None:
    """Of a cluster that runs, with its new groups. Beside: it cannot have these."""
    for group in added:
        if group["Role"] != "TASK" and (
            group["Role"] == "MASTER" or any(one["Role"] == "CORE" and one is not group for one in groups)
        ):
            raise invalid(f"The cluster has a {group['Role'].lower()} instance group already.")
    check_count(groups, most)
