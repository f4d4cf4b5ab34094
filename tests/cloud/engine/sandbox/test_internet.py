"""Which addresses are of the internet, and pip's settings that a host is told."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sagelab.cloud.engine.sandbox.internet import Internet, Refused, authorization, is_public, pip_files

INSIDE = (
    "127.0.0.1 127.8.8.8 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1",
    "255.255.255.255 ::1 :: fe80::1 fe80::1%lo fd00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1",
    "64:ff9b::7f00:1 2002:7f00:1:: 2001:0:7f00:1::",
)


@pytest.mark.parametrize("address", " ".join(INSIDE).split())
def test_what_is_of_this_machine_or_its_networks_is_no_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.0.223", "2a04:4e42::223"])
def test_addresses_of_others_are_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", socket.gethostname()])
def test_names_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(Refused):
        Internet({}).find(host.strip("[]"), 80)


def test_the_users_own_index_may_be_anywhere_and_only_it() -> None:
    internet = Internet({"PIP_INDEX_URL": "http://127.0.0.1:3141/simple", "PIP_CONFIG_FILE": "/dev/null"})
    assert internet.here == [3141]
    assert internet.find("127.0.0.1", 3141) == [("127.0.0.1", 3141)]
    with pytest.raises(Refused):
        internet.find("127.0.0.1", 3142)
    index = "http://127.0.0.1:3141/simple"
    assert internet.environment() == {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}


def test_hosts_that_pip_is_told_to_trust_may_be_anywhere_too(monkeypatch: pytest.MonkeyPatch) -> None:
    internet = Internet({"PIP_TRUSTED_HOST": "files.inside:8080 127.0.0.1", "PIP_CONFIG_FILE": "/dev/null"})
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.1.2.3", 0))])
    assert internet.find("files.inside", 8080) == [("10.1.2.3", 8080)]
    assert internet.find("127.0.0.1", 443) == [("10.1.2.3", 443)]
    with pytest.raises(Refused):
        internet.find("files.inside", 443)


def test_pypi_may_be_a_mirror_of_the_network_but_is_never_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = {"PIP_CONFIG_FILE": "/dev/null"}
    own = Internet(outside | {"PIP_INDEX_URL": "https://index.example/simple"})
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.1.2.3", 0))])
    assert Internet(outside).find("PyPI.org", 443) == [("10.1.2.3", 443)]
    assert Internet(outside).find("files.pythonhosted.org", 443) == [("10.1.2.3", 443)]
    for internet, host, port in (
        (Internet(outside), "pypi.org", 80),
        (Internet(outside), "test.pypi.org", 443),
        (own, "pypi.org", 443),
    ):
        with pytest.raises(Refused):
            internet.find(host, port)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", 0))])
    with pytest.raises(Refused):
        Internet(outside).find("pypi.org", 443)


def test_pips_files_for_all_users_are_the_weakest() -> None:
    files = pip_files(
        {"XDG_CONFIG_DIRS": "/etc/one:/etc/two", "HOME": "/home/me", "PIP_CONFIG_FILE": "/srv/own.conf"}
    )
    first = ["/etc/one/pip/pip.conf", "/etc/two/pip/pip.conf", "/etc/pip.conf", "/home/me/.pip/pip.conf"]
    assert [str(file) for file in files[:4]] == first
    assert str(files[-1]) == "/srv/own.conf"
    assert str(pip_files({})[0]) == "/etc/xdg/pip/pip.conf"
    assert pip_files({"PIP_CONFIG_FILE": "/dev/null"}) == []


def test_certificates_that_the_user_trusts_come_without_a_key(tmp_path: Path) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----"
    key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    (tmp_path / "ours.pem").write_text(f"# ours\n{key}\n{certificate}\n")
    assert Internet({"REQUESTS_CA_BUNDLE": str(tmp_path / "ours.pem")}).certificates.decode() == certificate
    assert Internet({"PIP_CERT": str(tmp_path / "none.pem")}).certificates == b""
    assert Internet({}).certificates == b""


def test_pips_settings_come_from_its_files_without_passwords(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://me:secret@index.example/simple\ntrusted-host = a.example\n"
        "extra-index-url =\n  https://more.example/simple\n  file:///srv/wheels\n"
    )
    assert Internet({"PIP_CONFIG_FILE": str(file)}).environment() == {
        "PIP_EXTRA_INDEX_URL": "https://more.example/simple",
        "PIP_TRUSTED_HOST": "a.example",
        "UV_INDEX": "https://more.example/simple",
        "UV_INSECURE_HOST": "a.example",
    }


def test_the_users_proxy_is_asked_but_not_for_what_is_no_internet() -> None:
    outside = {"HTTPS_PROXY": "http://me:pass%40@proxy.example:8080", "NO_PROXY": "direct.example"}
    internet = Internet(outside)
    proxy = internet.upstream("https", "pypi.org")
    assert proxy
    assert (proxy.hostname, proxy.port) == ("proxy.example", 8080)
    assert authorization(proxy) == "Proxy-Authorization: Basic bWU6cGFzc0A=\r\n"
    assert authorization(urlsplit("http://proxy")) == ""
    assert internet.upstream("https", "direct.example") is None
    assert internet.upstream("http", "pypi.org") is None
    for host in ("localhost", "10.0.0.1", "metadata.google.internal", "printer.local", "intranet", "127.1", "::1"):
        with pytest.raises(Refused):
            internet.check_name(host, 443)
    internet.check_name("8.8.8.8", 443)
