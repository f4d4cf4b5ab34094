"""GenerateDataKeyPair, which moto has not: keys for use outside of KMS, the private one under a key of KMS.

https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyPair.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from moto.kms.exceptions import ValidationException
from moto.kms.responses import KmsResponse

from sagelab.cloud.errors import NotImplementedHere

_EXPONENT = 65537
_SPECS: dict[str, Callable[[], Any]] = {
    "RSA_2048": partial(rsa.generate_private_key, _EXPONENT, 2048),
    "RSA_3072": partial(rsa.generate_private_key, _EXPONENT, 3072),
    "RSA_4096": partial(rsa.generate_private_key, _EXPONENT, 4096),
    "ECC_NIST_P256": partial(ec.generate_private_key, ec.SECP256R1()),
    "ECC_NIST_P384": partial(ec.generate_private_key, ec.SECP384R1()),
    "ECC_NIST_P521": partial(ec.generate_private_key, ec.SECP521R1()),
    "ECC_SECG_P256K1": partial(ec.generate_private_key, ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
}
_OF_CHINA = "SM2"
_NONE_SUCH = (
    "1 validation error detected: Value '{}' at 'keyPairSpec' failed to satisfy constraint:"
    " Member must satisfy enum value set: [{}]"
)
_NULL = (
    "1 validation error detected: Value null at 'keyPairSpec' failed to satisfy constraint:"
    " Member must not be null"
)


def install() -> None:
    """From now on moto's KMS has the two operations."""
    KmsResponse.generate_data_key_pair = _generate
    KmsResponse.generate_data_key_pair_without_plaintext = _generate_without_plaintext


def _generate(response: Any) -> str:
    return json.dumps(_made(response))


def _generate_without_plaintext(response: Any) -> str:
    made = _made(response)
    del made["PrivateKeyPlaintext"]
    return json.dumps(made)


def _made(response: Any) -> dict[str, Any]:
    """The answer with both keys, in base64. ValidationException, NotImplementedHere: there is no such pair.

    The state and the use of the key of KMS, and DryRun, were looked at before (key_rules.py).
    """
    named, spec = response._get_param("KeyId"), response._get_param("KeyPairSpec")
    response._validate_key_id(named)
    if spec is None:
        raise ValidationException(_NULL)
    if spec == _OF_CHINA:
        raise NotImplementedHere("A key pair of the kind SM2 is for AWS's regions in China alone.")
    if spec not in _SPECS:
        raise ValidationException(_NONE_SUCH.format(str(spec)[:100], ", ".join((*_SPECS, _OF_CHINA))))
    pair, backend = _SPECS[spec](), response.kms_backend
    private = pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    wrapped, arn = backend.encrypt(
        key_id=backend.any_id_to_key_id(named),
        plaintext=private,
        encryption_context=response._get_param("EncryptionContext", {}),
    )
    return {
        "PrivateKeyCiphertextBlob": base64.b64encode(wrapped).decode(),
        "PrivateKeyPlaintext": base64.b64encode(private).decode(),
        "PublicKey": base64.b64encode(public).decode(),
        "KeyId": arn,
        "KeyPairSpec": spec,
    }
