"""Certificates of a home's own, for what listens on this machine: an authority, and a server that it vouches for.

Whoever trusts such an authority trusts nothing more by it: its key is forgotten once it has signed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = ("127.0.0.1", "::1")
YEARS = timedelta(days=3650)
EARLY = timedelta(days=1)  # clocks differ


def make(folder: Path, name: str, hosts: Iterable[str] = ("localhost",)) -> None:
    """Write ca.crt, server.crt and server.key, each of mode 0600, for this machine's loopback and `hosts`.

    name: of the server, as certificates have it.
    """
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name(f"{name}-ca"), _name(name)
    root = _builder(issuer, issuer, authority.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(_usage(of_authority=True), critical=True)
    _write(folder / "ca.crt", _pem(root.sign(authority, hashes.SHA256())))
    names = [*map(x509.DNSName, hosts), *(x509.IPAddress(ipaddress.ip_address(here)) for here in HERE)]
    server = _builder(subject, issuer, key.public_key())
    server = server.add_extension(x509.SubjectAlternativeName(names), critical=False)
    server = server.add_extension(_usage(of_authority=False), critical=True)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    server = server.add_extension(signer, critical=False)
    _write(folder / "server.crt", _pem(server.sign(authority, hashes.SHA256())))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(folder / "server.key", key.private_bytes(*form))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - EARLY
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), start, start + YEARS)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*, of_authority: bool) -> x509.KeyUsage:
    """What its key signs: certificates, or handshakes. Strict clients (Python 3.13) want that said."""
    never = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    other = dict.fromkeys((*never, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(
        digital_signature=not of_authority, key_cert_sign=of_authority, crl_sign=of_authority, **other
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)
