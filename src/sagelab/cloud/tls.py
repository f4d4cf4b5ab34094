"""TLS at the local cloud's port: the certificate that it shows, and what makes programs trust and use it.

Plain HTTP stays beside it at the same port: a client's first byte tells. Certificate and authority are made when
TLS is first asked for, and stay through a reset as the access key does: shells and programs have them.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from sagelab.cloud.engine.sandbox.network import TRUSTING, Trust
from sagelab.cloud.errors import HomeDamaged
from sagelab.cloud.home import HOST, Home

AREA, FOLDER = "tls", "tls"
AUTHORITY, CERTIFICATE, KEY, TRUSTED = "ca.crt", "server.crt", "server.key", "trusted.pem"
ADVICE = "Delete the folder it is in: another authority is made, and `sagelab env --tls` says where it is."
SYSTEMS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_ONE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


class Secured(ssl.SSLSocket):
    """A connection by TLS."""

    def shutdown(self, how: int) -> None:
        """Tell the other side of the end first, which would take it for a cut else; it needs not answer."""
        self.settimeout(0)
        with suppress(ssl.SSLError, ValueError):
            self.unwrap()
        super().shutdown(how)


def folder(home: Home) -> Path:
    """Where authority, certificate and key are; made where they are not there yet."""
    place = home.path / FOLDER
    if not place.exists():
        from sagelab import certificates

        draft = Path(tempfile.mkdtemp(dir=home.path, prefix=f".{FOLDER}."))
        try:
            certificates.make(draft, "sagelab", ("localhost", f"{home.account}.localhost"))
            with suppress(OSError):  # another process was faster
                draft.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place


def server_context(home: Home) -> ssl.SSLContext:
    """What handshakes of the local cloud go by. HomeDamaged: authority, certificate or key cannot be used."""
    place = folder(home)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = Secured
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0  # sessions are not resumed: who hangs up without reading would lose its answer
    context.set_alpn_protocols(["http/1.1"])
    file = place / AUTHORITY
    try:
        context.load_verify_locations(file)
        file = place / CERTIFICATE
        context.load_cert_chain(file, place / KEY)
    except (ssl.SSLError, FileNotFoundError) as error:
        raise HomeDamaged(file, f"or its key is damaged ({error})", ADVICE) from error
    return context


def check(home: Home) -> None:
    """HomeDamaged: there are an authority and a certificate, and they cannot be used."""
    if (home.path / FOLDER).exists():
        server_context(home)


def is_spoken(variables: Mapping[str, str]) -> bool:
    """Whether an environment leads to a local cloud by TLS already."""
    parts = urlsplit(variables.get("AWS_ENDPOINT_URL", ""))
    return parts.scheme == "https" and parts.hostname in (HOST, "localhost")


def secured(url: str) -> str:
    """The same place by TLS."""
    return url.replace("http://", "https://", 1)


def environment(home: Home, outside: Mapping[str, str]) -> dict[str, str]:
    """The variables by which programs trust the local cloud, and whom they trust in the environment `outside`.

    botocore asks the local cloud alone, so that it needs no other authority; it reads a file anew for each client.
    """
    place = folder(home)
    trusted = place / TRUSTED
    draft = trusted.with_name(f".{TRUSTED}.{os.getpid()}")
    draft.write_bytes(_bundle(home, outside))
    draft.replace(trusted)
    return dict.fromkeys(TRUSTING, str(trusted)) | {"AWS_CA_BUNDLE": str(place / AUTHORITY)}


def of_hosts(home: Home, outside: Mapping[str, str]) -> Trust | None:
    """What hosts that are started now trust; None where the home has not set that they speak TLS."""
    if not speaking(home):
        return None
    return Trust((folder(home) / AUTHORITY).read_bytes(), _bundle(home, outside))


def speaking(home: Home) -> bool:
    """Whether hosts are told to speak TLS with the local cloud."""
    return home.settings().get(AREA, {}).get("hosts") is True


def let_hosts_speak(home: Home, tls: bool) -> None:
    """Set whether hosts that are started from now on do."""
    folder(home)
    home.set(AREA, {"hosts": tls})


def _bundle(home: Home, outside: Mapping[str, str]) -> bytes:
    """The home's authority and whom else an environment trusts, as PEM, each once."""
    named = [path for name in TRUSTING if (path := outside.get(name))]
    found = dict.fromkeys(_certificates([str(folder(home) / AUTHORITY), *named, _system()]))
    return b"\n".join(found) + b"\n"


def _system() -> str:
    """The file of those whom this machine trusts; requests' own where it has none."""
    import certifi

    return next((path for path in SYSTEMS if Path(path).exists()), certifi.where())


def _certificates(files: Iterable[str]) -> Iterator[bytes]:
    for file in files:
        with suppress(OSError):
            yield from _ONE.findall(Path(file).read_bytes())
