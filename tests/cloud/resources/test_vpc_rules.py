"""What a VpcConfig must satisfy when something is created with it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import vpc_rules
from tests.cloud import processing
from tests.cloud.engine.vpc.networks import Network
from tests.cloud.jobs import LIGHT, Jobs
from tests.cloud.resources.hosting import config, made, variant
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    return Jobs(cloud, image=LIGHT)


@pytest.fixture(scope="module")
def network(cloud: LocalCloud) -> Network:
    return Network(cloud.client("ec2"))


@pytest.fixture(scope="module")
def elsewhere(cloud: LocalCloud) -> dict[str, str]:
    """A subnet and a security group of the default VPC."""
    ec2 = cloud.client("ec2")
    vpc = next(one for one in ec2.describe_vpcs()["Vpcs"] if one["IsDefault"])["VpcId"]
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    group = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"]
    return {"subnet": ec2.describe_subnets(Filters=wanted)["Subnets"][0]["SubnetId"], "group": group}


def refused(jobs: Jobs, vpc: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ClientError) as error:
        jobs.sagemaker.create_training_job(**jobs.shell("true", VpcConfig=vpc, **changes))
    assert error.value.response["Error"]["Code"] == "ValidationException"
    return str(error.value)


def test_what_is_named_is_there_and_in_one_vpc(jobs: Jobs, network: Network, elsewhere: dict[str, str]) -> None:
    subnet, group = network.subnets[0], network.group
    absent = {"Subnets": ["subnet-12345678"], "SecurityGroupIds": [group]}
    assert "The subnet ID 'subnet-12345678' does not exist" in refused(jobs, absent)
    absent = {"Subnets": [subnet], "SecurityGroupIds": ["sg-12345678"]}
    assert "sg-12345678" in refused(jobs, absent)
    apart = {"Subnets": [subnet, elsewhere["subnet"]], "SecurityGroupIds": [group]}
    assert "belong to different VPCs" in refused(jobs, apart)
    apart = {"Subnets": [subnet], "SecurityGroupIds": [elsewhere["group"]]}
    assert f"Security group {elsewhere['group']} and subnet {subnet} belong to different networks." in refused(
        jobs, apart
    )
    inside = {"VpcConfig": apart}
    with pytest.raises(ClientError, match="different networks"):
        jobs.sagemaker.create_processing_job(**processing.request("true", NetworkConfig=inside))
    with pytest.raises(ClientError, match="different networks"):
        made(jobs, VpcConfig=apart)


def test_a_model_is_hosted_in_two_zones(jobs: Jobs, network: Network) -> None:
    one = made(jobs, VpcConfig={"Subnets": network.subnets[:1], "SecurityGroupIds": [network.group]})
    wanted = config(variant(one))
    name = wanted["EndpointConfigName"]
    jobs.sagemaker.create_endpoint_config(**wanted)
    with pytest.raises(ClientError, match="at least two subnets in different availability zones"):
        jobs.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


RULES = (
    ("udp", {"IpProtocol": "udp", "FromPort": 500, "ToPort": 500}),
    ("esp", {"IpProtocol": "50"}),
)


@pytest.mark.parametrize("lacking", [("udp", "in"), ("udp", "out"), ("esp", "in"), ("esp", "out"), None])
def test_encrypted_hosts_need_udp_500_and_protocol_50_among_themselves(lacking: tuple[str, str] | None) -> None:
    pair = [{"GroupId": "sg-1"}]
    rules = {
        way: [rule | {"UserIdGroupPairs": pair} for name, rule in RULES if (name, way) != lacking]
        for way in ("in", "out")
    }
    group = {"GroupId": "sg-1", "IpPermissions": rules["in"], "IpPermissionsEgress": rules["out"]}
    if lacking is None:
        vpc_rules._check_encryption([group])
        return
    what = {"udp": "UDP 500", "esp": r"IP protocol 50 \(ESP\)"}[lacking[0]]
    with pytest.raises(ValidationException, match=f"no {lacking[1]}bound rule that allows {what}"):
        vpc_rules._check_encryption([group])


def test_what_is_about_other_ports_or_hosts_does_not_count() -> None:
    udp = {"IpProtocol": "udp", "FromPort": 500, "ToPort": 500}
    assert vpc_rules._lets({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, "50", None, ["sg-1"])
    assert not vpc_rules._lets(udp | {"UserIdGroupPairs": [{"GroupId": "sg-2"}]}, "udp", 500, ["sg-1"])
    ports = {"FromPort": 501, "ToPort": 600, "UserIdGroupPairs": [{"GroupId": "sg-1"}]}
    assert not vpc_rules._lets(udp | ports, "udp", 500, ["sg-1"])


def test_several_hosts_that_encrypt_are_asked_and_one_is_not(jobs: Jobs, network: Network) -> None:
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    said = refused(jobs, network.config, ResourceConfig=two, EnableInterContainerTrafficEncryption=True)
    assert "have no inbound rule that allows UDP 500" in said
