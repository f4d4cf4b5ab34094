"""Comprehend's search for personal data, over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud

TEXT = "Grüße 😀 an ada@example.com, 4111 1111 1111 1111"


@pytest.fixture(scope="module")
def comprehend(cloud: LocalCloud) -> Any:
    return cloud.client("comprehend")


def test_entities_are_told_in_characters(comprehend: Any) -> None:
    found = comprehend.detect_pii_entities(Text=TEXT, LanguageCode="en")["Entities"]
    parts = [(one["Type"], TEXT[one["BeginOffset"] : one["EndOffset"]]) for one in found]
    assert parts == [("EMAIL", "ada@example.com"), ("CREDIT_DEBIT_NUMBER", "4111 1111 1111 1111")]
    assert all(0.9 <= one["Score"] <= 1 for one in found)


def test_labels_are_told_once_each(comprehend: Any) -> None:
    found = comprehend.contains_pii_entities(Text=f"{TEXT} {TEXT}", LanguageCode="es")["Labels"]
    assert [one["Name"] for one in found] == ["EMAIL", "CREDIT_DEBIT_NUMBER"]
    assert comprehend.contains_pii_entities(Text="nothing", LanguageCode="en")["Labels"] == []


def test_old_clients_speak_json(cloud: LocalCloud) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    headers = {
        "X-Amz-Target": "Comprehend_20171127.DetectPiiEntities",
        "Content-Type": "application/x-amz-json-1.1",
    }
    body = b'{"Text": "ada@example.com", "LanguageCode": "en"}'
    request = AWSRequest("POST", cloud.url, data=body, headers=headers)
    SigV4Auth(cloud.session.get_credentials(), "comprehend", "us-east-1").add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    assert (answer.status_code, b'"EMAIL"' in answer.content) == (200, True)


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        (
            {"Text": "ü" * 50_001, "LanguageCode": "en"},
            "TextSizeLimitExceededException",
            "allowed is 100000 bytes while in this request the text size is 100002 bytes",
        ),
        ({"Text": "x", "LanguageCode": "ko"}, "UnsupportedLanguageException", "ko"),
        ({"Text": "x", "LanguageCode": "xx"}, "ValidationException", "enum value set"),
    ],
)
def test_what_it_does_not_take(comprehend: Any, params: dict[str, str], code: str, words: str) -> None:
    with pytest.raises(ClientError) as refused:
        comprehend.detect_pii_entities(**params)
    error = refused.value.response["Error"]
    assert (error["Code"], words in error["Message"]) == (code, True)


def test_what_needs_a_model_of_language_is_refused(comprehend: Any) -> None:
    with pytest.raises(ClientError) as refused:
        comprehend.detect_sentiment(Text="good", LanguageCode="en")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_who_may_not_is_refused(cloud: LocalCloud) -> None:
    from tests.cloud.gateway.auth.test_permissions import Role, allow, refused

    nobody = Role(cloud, "comprehends-little", allow("comprehend:ContainsPiiEntities")).client("comprehend")
    nobody.contains_pii_entities(Text="x", LanguageCode="en")
    said = refused(nobody.detect_pii_entities, Text="x", LanguageCode="en")
    assert "comprehend:DetectPiiEntities" in said
