"""A PostgreSQL of tests' own, started from the programs that Debian's package has, as no root would start it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.waiting import until

PASSWORD = "it's a Secret\\1"
SETTINGS = {
    "wal_level": "logical",
    "fsync": "off",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "shared_buffers": "16MB",
    "listen_addresses": "127.0.0.1",
}


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where there are none."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@dataclass(frozen=True)
class Postgres:
    """A running server. restart: let it end and come back."""

    port: int
    restart: Callable[[], None] = lambda: None

    def connect(self, database: str = "postgres", **more: Any) -> psycopg.Connection[Any]:
        place: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "learner", "password": PASSWORD}
        return psycopg.connect(**place, dbname=database, autocommit=True, **more)

    def database(self) -> str:
        name = f"d{uuid.uuid4().hex[:8]}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name


@contextmanager
def started(folder: Path, bin_folder: Path) -> Iterator[Postgres]:
    """A server with a folder of its own, until the end of the block."""
    user = "postgres" if _exists("postgres") else "nobody"
    asks: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid} if os.geteuid() == 0 else {}
    data, word = folder / "data", folder / "password"
    word.write_text(PASSWORD)
    if asks:
        for place in (folder, word):
            shutil.chown(place, user)
    initdb: list[Any] = [
        bin_folder / "initdb",
        "--no-sync",
        "-U",
        "learner",
        "--auth=scram-sha-256",
        f"--pwfile={word}",
    ]
    plain: dict[str, Any] = {"env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}, "stdout": subprocess.DEVNULL}
    subprocess.run([*initdb, "-E", "UTF8", "-D", data], check=True, cwd="/", **plain, **asks)
    port = _free_port()
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command: list[Any] = [bin_folder / "postgres", "-D", data, "-p", str(port), "-k", folder, *options]
    servers = list[subprocess.Popen[bytes]]()

    def start() -> None:
        with (folder / "log").open("a") as log:
            servers.append(subprocess.Popen(command, stderr=log, cwd="/", **plain, **asks))
        until(lambda: _answers(Postgres(port)), bool)

    def end() -> None:
        servers[-1].send_signal(signal.SIGQUIT)
        servers[-1].wait(30)

    def restart() -> None:
        end()
        start()

    try:
        start()
        yield Postgres(port, restart)
    finally:
        end()


@contextmanager
def own_folder() -> Iterator[Path]:
    """One that another user than who runs the tests may go into."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(server: Postgres) -> bool:
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
