"""What a key of KMS does depends on its state and its use, in every operation."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)


@pytest.mark.parametrize(
    ("state", "code"), [("disabled", "DisabledException"), ("pending deletion", "KMSInvalidStateException")]
)
def test_key_that_is_not_enabled_does_nothing(gateway: Any, state: str, code: str) -> None:
    kms = gateway.client("kms")
    key = kms.create_key()["KeyMetadata"]
    signing = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{code}", TargetKeyId=key["KeyId"])
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    text = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"a")["CiphertextBlob"]
    for one in (key["KeyId"], signing["KeyId"]):
        if state == "disabled":
            kms.disable_key(KeyId=one)
        else:
            kms.schedule_key_deletion(KeyId=one, PendingWindowInDays=7)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (kms.encrypt, {"KeyId": key["KeyId"], "Plaintext": b"a"}),
        (kms.encrypt, {"KeyId": f"alias/{code}", "Plaintext": b"a"}),
        (kms.decrypt, {"CiphertextBlob": text}),
        (kms.re_encrypt, {"CiphertextBlob": text, "DestinationKeyId": other}),
        (kms.generate_data_key, {"KeyId": key["Arn"], "KeySpec": "AES_256"}),
        (kms.generate_data_key_without_plaintext, {"KeyId": key["KeyId"], "KeySpec": "AES_256"}),
        (kms.sign, {"KeyId": signing["KeyId"], "Message": b"a", "SigningAlgorithm": "ECDSA_SHA_256"}),
    ]
    for call, params in calls:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            call(**params)
        error = refused.value.response["Error"]
        arn = signing["Arn"] if "Message" in params else key["Arn"]
        assert (error["Code"], error["Message"]) == (code, f"{arn} is {state}.")
    if state == "disabled":
        kms.enable_key(KeyId=key["KeyId"])
        assert kms.decrypt(CiphertextBlob=text)["Plaintext"] == b"a"


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        call(**params)
    error = trouble.value.response["Error"]
    return error["Code"], error["Message"]


def test_key_is_managed_as_its_state_lets(gateway: Any) -> None:
    kms = gateway.client("kms")
    key = kms.create_key()["KeyMetadata"]
    named, arn = {"KeyId": key["Arn"]}, key["Arn"]
    grant = {"GranteePrincipal": gateway.home.role_arn, "Operations": ["Decrypt"], **named}
    assert refused(kms.cancel_key_deletion, **named) == (
        "KMSInvalidStateException",
        f"{arn} is not pending deletion.",
    )
    kms.disable_key(**named)
    for call, params in ((kms.create_grant, grant), (kms.enable_key_rotation, named)):
        assert refused(call, **params) == ("DisabledException", f"{arn} is disabled.")
    kms.tag_resource(Tags=[{"TagKey": "a", "TagValue": "b"}], **named)
    assert refused(kms.schedule_key_deletion, PendingWindowInDays=3, **named)[0] == "ValidationException"
    kms.schedule_key_deletion(PendingWindowInDays=7, **named)
    pending = ("KMSInvalidStateException", f"{arn} is pending deletion.")
    for call, params in (
        (kms.enable_key, named),
        (kms.disable_key, named),
        (kms.schedule_key_deletion, named),
        (kms.create_alias, {"AliasName": "alias/doomed", "TargetKeyId": key["KeyId"]}),
        (kms.update_key_description, {"Description": "d", **named}),
    ):
        assert refused(call, **params) == pending
    kms.cancel_key_deletion(**named)
    assert kms.describe_key(**named)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(**named)
    assert kms.encrypt(Plaintext=b"x", **named)["KeyId"] == arn


def test_key_does_what_it_is_for(gateway: Any) -> None:
    kms = gateway.client("kms")
    made = {
        use: kms.create_key(KeyUsage=use, KeySpec=spec)["KeyMetadata"]["Arn"]
        for use, spec in (
            ("SIGN_VERIFY", "ECC_NIST_P256"),
            ("GENERATE_VERIFY_MAC", "HMAC_256"),
            ("ENCRYPT_DECRYPT", "RSA_2048"),
        )
    }
    plain = kms.create_key()["KeyMetadata"]
    assert plain["KeyUsage"] == "ENCRYPT_DECRYPT"
    wrong = "InvalidKeyUsageException"
    for use, call, params in (
        ("SIGN_VERIFY", kms.encrypt, {"Plaintext": b"x"}),
        ("GENERATE_VERIFY_MAC", kms.generate_data_key, {"KeySpec": "AES_256"}),
        ("ENCRYPT_DECRYPT", kms.generate_data_key, {"KeySpec": "AES_256"}),
        ("ENCRYPT_DECRYPT", kms.generate_mac, {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}),
        ("GENERATE_VERIFY_MAC", kms.sign, {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}),
    ):
        code, words = refused(call, KeyId=made[use], **params)
        assert code == wrong
        assert f"{made[use]} key usage is {use} which is not valid for" in words
    text = kms.encrypt(KeyId=plain["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert refused(kms.re_encrypt, CiphertextBlob=text, DestinationKeyId=made["SIGN_VERIFY"])[0] == wrong


def test_key_without_material_does_nothing(gateway: Any) -> None:
    kms = gateway.client("kms")
    key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    assert (key["KeyState"], key["Enabled"]) == ("PendingImport", False)
    words = ("KMSInvalidStateException", f"{key['Arn']} is pending import.")
    assert refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == words
    assert refused(kms.enable_key, KeyId=key["KeyId"]) == words
    assert refused(kms.create_key, Origin="AWS_CLOUDHSM")[0] == "NotImplemented"


def test_dry_run_says_what_would_be(gateway: Any) -> None:
    kms = gateway.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key, "KeySpec": "AES_256", "DryRun": True}
    assert refused(kms.generate_data_key, **asked)[0] == "DryRunOperationException"
    kms.disable_key(KeyId=key)
    assert refused(kms.generate_data_key, **asked)[0] == "DisabledException"


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"])
def test_data_key_pair_is_one_and_its_private_key_is_under_the_key(gateway: Any, spec: str) -> None:
    kms = gateway.client("kms")
    key, context = kms.create_key()["KeyMetadata"], {"for": "signing"}
    asked = {"KeyId": key["KeyId"], "KeyPairSpec": spec, "EncryptionContext": context}
    made = kms.generate_data_key_pair(**asked)
    private = load_der_private_key(made["PrivateKeyPlaintext"], None)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (made["PublicKey"], made["KeyId"], made["KeyPairSpec"]) == (public, key["Arn"], spec)
    sealed = {"CiphertextBlob": made["PrivateKeyCiphertextBlob"]}
    assert kms.decrypt(**sealed, EncryptionContext=context)["Plaintext"] == made["PrivateKeyPlaintext"]
    assert refused(kms.decrypt, **sealed)[0] == "InvalidCiphertextException"
    other = kms.generate_data_key_pair_without_plaintext(**asked)
    assert "PrivateKeyPlaintext" not in other
    opened = kms.decrypt(CiphertextBlob=other["PrivateKeyCiphertextBlob"], EncryptionContext=context)["Plaintext"]
    assert load_der_private_key(opened, None).public_key() == load_der_public_key(other["PublicKey"])
    kms.disable_key(KeyId=key["KeyId"])
    for call in (kms.generate_data_key_pair, kms.generate_data_key_pair_without_plaintext):
        assert refused(call, **asked) == ("DisabledException", f"{key['Arn']} is disabled.")


def test_data_key_pair_that_cannot_be_is_refused(gateway: Any) -> None:
    kms = gateway.client("kms")
    named = {"KeyId": kms.create_key()["KeyMetadata"]["KeyId"]}
    signing = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    pair = kms.generate_data_key_pair
    code, words = refused(pair, **named, KeyPairSpec="RSA_1024")
    assert code == "ValidationException"
    assert "'RSA_1024' at 'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value" in words
    assert refused(pair, KeyId=signing["KeyId"], KeyPairSpec="RSA_2048") == (
        "InvalidKeyUsageException",
        f"{signing['Arn']} key usage is SIGN_VERIFY which is not valid for GenerateDataKeyPair.",
    )
    assert refused(pair, **named, KeyPairSpec="RSA_2048", DryRun=True)[0] == "DryRunOperationException"
    assert "China" in refused(pair, **named, KeyPairSpec="SM2")[1]
    enclave = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"none"}
    for call, more in ((pair, {"KeyPairSpec": "RSA_2048"}), (kms.generate_data_key, {"KeySpec": "AES_256"})):
        assert "enclaves" in refused(call, **named, **more, Recipient=enclave)[1]
