"""Rules of AWS's that moto alone does not hold."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest


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


def test_topic_does_not_gather_what_it_has_sent(gateway: Any) -> None:
    from moto.sns.models import sns_backends

    sns = gateway.client("sns")
    arn = sns.create_topic(Name="forgets")["TopicArn"]
    for word in ("one", "two", "three"):
        sns.publish(TopicArn=arn, Message=word)
    kept = sns_backends[arn.split(":")[4]]["us-east-1"].topics[arn].sent_notifications
    assert [message for _, message, *_ in kept] == ["three"]
