"""Rules of AWS's that moto alone does not hold."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import botocore.exceptions
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP


def test_device_is_enabled_by_two_codes_that_it_shows(gateway: Any) -> None:
    iam = gateway.client("iam")
    iam.create_user(UserName="with-device")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="device")["VirtualMFADevice"]
    seed = base64.b32decode(device["Base32StringSeed"])
    shown = TOTP(seed, 6, SHA1(), 30, enforce_key_length=False)
    before, now = (shown.generate(int(time.time()) - past).decode() for past in (30, 0))
    enabling = {"UserName": "with-device", "SerialNumber": device["SerialNumber"]}
    wrong = "000000" if "000000" not in (before, now) else "111111"
    for codes in ((wrong, now), (now, before), (now, now)):
        with pytest.raises(iam.exceptions.InvalidAuthenticationCodeException):
            iam.enable_mfa_device(**enabling, AuthenticationCode1=codes[0], AuthenticationCode2=codes[1])
    assert iam.list_mfa_devices(UserName="with-device")["MFADevices"] == []
    iam.enable_mfa_device(**enabling, AuthenticationCode1=before, AuthenticationCode2=now)
    assert len(iam.list_mfa_devices(UserName="with-device")["MFADevices"]) == 1


def test_gateway_endpoint_needs_no_route_table(gateway: Any) -> None:
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Endpoint": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "ServiceName": "com.amazonaws.us-east-1.s3"},
        },
    }
    stacks = gateway.client("cloudformation")
    stacks.create_stack(StackName="gateways", TemplateBody=json.dumps({"Resources": resources}))
    (endpoint,) = gateway.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert (endpoint["VpcEndpointType"], endpoint.get("RouteTableIds", [])) == ("Gateway", [])
    stacks.delete_stack(StackName="gateways")


def test_sign_in_that_is_not_checked_is_refused(gateway: Any) -> None:
    body = b'{"AuthFlow": "USER_SRP_AUTH", "ClientId": "c", "AuthParameters": {"USERNAME": "u"}}'
    headers = {
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
        "Content-Type": "application/x-amz-json-1.1",
    }
    status, _, said = gateway.signed("POST", "/", "cognito-idp", body, headers)
    assert (status, b"USER_PASSWORD_AUTH" in said) == (400, True)


def test_user_is_made_without_an_invitation(gateway: Any) -> None:
    cognito = gateway.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="pool")["UserPool"]["Id"]
    with pytest.raises(botocore.exceptions.ClientError, match="MessageAction SUPPRESS"):
        cognito.admin_create_user(UserPoolId=pool, Username="u")
    assert cognito.list_users(UserPoolId=pool)["Users"] == []
    cognito.admin_create_user(UserPoolId=pool, Username="u", MessageAction="SUPPRESS")
    assert len(cognito.list_users(UserPoolId=pool)["Users"]) == 1
