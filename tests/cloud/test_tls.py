"""The authority of a home, and who is told to trust it."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from sagelab.cloud import tls
from sagelab.cloud.errors import HomeDamaged
from sagelab.cloud.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """The version that both agree on, without a network. SSLError: they do not."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs.version()


def client(home: Home) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(tls.folder(home) / tls.AUTHORITY))
    made.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    return made


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", "123456789012.localhost"])
def test_strict_client_takes_this_machine_for_itself(home: Home, name: str) -> None:
    assert handshake(tls.server_context(home), client(home), name) == "TLSv1.3"


def test_other_names_and_old_versions_are_refused(home: Home) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tls.server_context(home), client(home), "s3.amazonaws.com")
    old = client(home)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        handshake(tls.server_context(home), old, "localhost")


def test_nobody_renegotiates_or_resumes(home: Home) -> None:
    made = tls.server_context(home)
    assert made.options & ssl.OP_NO_RENEGOTIATION
    assert made.num_tickets == 0


def test_authority_is_made_once_and_its_key_is_nowhere(home: Home) -> None:
    place = tls.folder(home)
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    assert tls.folder(home) == place
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    assert sum(b"PRIVATE KEY" in content for content in before.values()) == 1
    modes = {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()}
    assert modes == {0o600}
    assert [path.name for path in home.path.iterdir() if path.name.startswith(".tls")] == []


def test_reset_leaves_it(home: Home) -> None:
    before = (tls.folder(home) / tls.AUTHORITY).read_bytes()
    home.clear()
    assert (tls.folder(home) / tls.AUTHORITY).read_bytes() == before


def test_programs_trust_it_besides_those_they_trusted(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    given = {"REQUESTS_CA_BUNDLE": str(tls.folder(other) / tls.AUTHORITY), "SSL_CERT_FILE": "/nowhere"}
    made = tls.environment(home, given)
    ours = (tls.folder(home) / tls.AUTHORITY).read_text().strip()
    assert Path(made["AWS_CA_BUNDLE"]).read_text().strip() == ours
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        trusted = Path(made[name]).read_text()
        assert ours in trusted
        assert (tls.folder(other) / tls.AUTHORITY).read_text().strip() in trusted
        assert trusted.count("BEGIN CERTIFICATE") > 2  # this machine's own
    again = tls.environment(home, given | made)  # a shell that has them already
    assert Path(again["SSL_CERT_FILE"]).read_text().count(ours) == 1


def test_hosts_speak_it_once_that_is_set(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert tls.of_hosts(home, {}) is None
    tls.let_hosts_speak(home, tls=True)
    trust = tls.of_hosts(home, {})
    assert trust is not None
    assert trust.authority == (tls.folder(home) / tls.AUTHORITY).read_bytes()
    assert trust.authority.strip() in trust.everybody
    tls.let_hosts_speak(home, tls=False)
    assert tls.of_hosts(home, {}) is None


@pytest.mark.parametrize("name", [tls.AUTHORITY, tls.CERTIFICATE, tls.KEY])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_damage_is_said_in_a_sentence(tmp_path: Path, name: str, content: bytes | None) -> None:
    home = Home(tmp_path)
    tls.check(home)  # nothing is there, and nothing is made
    assert not (home.path / tls.FOLDER).exists()
    file = tls.folder(home) / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(HomeDamaged, match=r"is damaged .* Delete the folder it is in") as damaged:
        tls.check(home)
    assert str(damaged.value).startswith(str(tls.folder(home)))
