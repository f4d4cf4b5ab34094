"""The folder of one local cloud: its credentials, its store, its jobs, and the lock that says it runs.

~/.sagelab (SAGELAB_HOME), mode 0700
  credentials.json   mode 0600: the access key that this local cloud answers to, made once
  server.json        url, console, pid and start of the process that serves it, or served it last;
                     server.last.json is what that was, while another one starts or after a start that failed
  server.lock        held by that process for as long as it lives
  starting.lock      held by whoever starts or ends it
  settings.json      what the user has set: the spot market
  tls/               the certificate of its port and the authority behind it, once TLS was asked for; trusted.pem:
                     that authority and whom else its user trusts; a reset leaves it
  server.log         what that process said; server.log.1 what it said before
  sdk.yaml           defaults for the SageMaker SDK: no telemetry
  sagelab.db         the store: SageMaker's resources
  services.db        what every other service holds, but for the bytes of S3 objects
  databases.made     says that both were there: one that is missing later was lost
  objects/           those bytes, encrypted
  master.key         mode 0600: what the keys of those bytes, and of KMS, are encrypted with (master.py)
  trail.db           what CloudTrail has recorded: every call, for 90 days; trail.pem: by which it signs
  sessions.json      mode 0600: temporary keys that GetSessionToken gave out
  jobs/              the folders of running jobs; empty when none runs
  functions/         the code of Lambda functions and their layers
  images/            the learner's own images: copies of folders
  environments/      the packages of images that were pulled
  repositories/      the git repositories of CodeCommit
  filesystems/       the files of file systems of EFS and FSx; kept until they are deleted
  spice/             what data sets of QuickSight's have taken in
  warehouses/        the databases of Redshift's clusters, until these are deleted; what statements found
  databases/         the learner's SQLite files that DMS reads: NAME/NAME.db; a reset leaves them alone
  notebooks/         the volumes of notebook instances; kept until an instance is deleted
  work/              the learner's own copies of the labs; a reset of the home leaves them alone
  jupyter.log        what JupyterLab on them has said since its last start
  python/            what warm Pythons keep for themselves; no job sees it
  tmp/               large bodies on their way
  cache/             what is fetched once: the runtime for emulated devices
  kubernetes/        the API server of `sagelab k8s`: its objects, its certificate and token, its log
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import string
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from sagelab.cloud.engine.data import encrypted, trees
from sagelab.cloud.errors import ControlError, HomeDamaged

ACCOUNT = "123456789012"
ROLE_NAME = "SageMakerLabRole"
DEFAULT_REGION = "us-east-1"
HOST, PORT = "127.0.0.1", 8273  # where a local cloud listens, unless told otherwise
CONSOLE_PORT = 8274  # an origin of its own: what lies in a bucket is opened at the other one
SESSIONS = "sessions.json"
ROOM = 1 << 20  # bytes that a start needs
DATABASES_MADE, LAST = "databases.made", "server.last.json"
STATE = (
    DATABASES_MADE,
    *(
        "sagelab.db*",
        "services.db*",
        "objects",
        "master.key",
        SESSIONS,
        "jobs",
        "functions",
        "filesystems",
        "images",
        "notebooks",
        "streams",
        "spice",
        "warehouses",
    ),
    *("python", "tmp", "trail.db*", "trail.pem"),
    "repositories",
    *("server.json", LAST, "server.log*", "settings.json", "kubernetes"),
)
SDK_DEFAULTS = """\
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""
NEW_KEY = "Put a copy of it back, or delete it: a new access key is made, and those that programs were given end."
NEW_SESSIONS = "Delete it: temporary keys that were given out end, and nothing else is lost."
NEW_SETTINGS = "Delete it: what you had set (the spot market) is as at first again, and nothing else is lost."
LIMIT_GB = 50
PRIVATE = 0o700
FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, pid


@dataclass(frozen=True)
class Credentials:
    """An access key pair in AWS's form."""

    access_key_id: str
    secret_access_key: str


class Home:
    """One folder; several can stand side by side, each with a local cloud of its own."""

    account = ACCOUNT

    def __init__(self, path: Path | str | None = None) -> None:
        """path: the folder; by default SAGELAB_HOME, else ~/.sagelab. Made with mode 0700 if missing."""
        chosen = path or os.environ.get("SAGELAB_HOME") or Path.home() / ".sagelab"
        self.path = Path(chosen).expanduser().resolve()
        self.path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if stat.S_IMODE(self.path.stat().st_mode) != PRIVATE:
            self.path.chmod(PRIVATE)

    @property
    def database(self) -> Path:
        return self.path / "sagelab.db"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def python(self) -> Path:
        """The home folder of the warm Pythons."""
        return self._made("python")

    @property
    def jobs(self) -> Path:
        return self._made("jobs")

    @property
    def functions(self) -> Path:
        return self.path / "functions"

    @property
    def filesystems(self) -> Path:
        return self._made("filesystems")

    @property
    def warehouses(self) -> Path:
        return self._made("warehouses")

    @property
    def databases(self) -> Path:
        """SQLite's that are sources of DMS: a folder each."""
        return self._made("databases")

    @property
    def streams(self) -> Path:
        """What streams hold: a database each."""
        return self._made("streams")

    def stream(self, service: str, key: str) -> Path:
        """The database of a stream of "kinesis" or "firehose"."""
        return self.streams / f"{service}-{key}.db"

    def stream_keys(self, service: str) -> list[str]:
        """Those that there are."""
        found = self.streams.glob(f"{service}-*.db")
        return [file.stem.removeprefix(f"{service}-") for file in found]

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def environments(self) -> Path:
        return self.path / "environments"

    @property
    def notebooks(self) -> Path:
        return self._made("notebooks")

    @property
    def repositories(self) -> Path:
        return self._made("repositories")

    @property
    def work(self) -> Path:
        """The learner's copies of the labs."""
        return self._made("work")

    def _made(self, name: str) -> Path:
        """A folder of the home; made if missing."""
        folder = self.path / name
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        return folder

    @property
    def sdk_defaults(self) -> Path:
        """The SageMaker SDK's defaults file; written if missing."""
        file = self.path / "sdk.yaml"
        if not file.exists():
            file.write_text(SDK_DEFAULTS)
        return file

    @property
    def role_arn(self) -> str:
        """The role that stands for the notebook's execution role."""
        return f"arn:aws:iam::{self.account}:role/{ROLE_NAME}"

    @property
    def caller_arn(self) -> str:
        """Who the home's own access key is: a session of that role, as in SageMaker Studio."""
        return f"arn:aws:sts::{self.account}:assumed-role/{ROLE_NAME}/sagelab"

    def credentials(self) -> Credentials:
        """The access key of this local cloud; a random one is made at the first call. HomeDamaged: it is lost."""
        file = self.path / "credentials.json"
        if not file.exists():
            write_private(file, asdict(_new_credentials()), keep=True)
        found = read_json(file, NEW_KEY)
        try:
            keys = Credentials(**found)
        except TypeError as error:
            raise HomeDamaged(file, f"is damaged ({error})", NEW_KEY) from error
        if not all(isinstance(key, str) and key for key in found.values()):
            raise HomeDamaged(file, "is damaged (a key is no text)", NEW_KEY)
        return keys

    def settings(self) -> dict[str, Any]:
        """What the user has set, by area; empty where nothing was. HomeDamaged: it cannot be read."""
        return read_json(self.path / "settings.json", NEW_SETTINGS)

    def sessions(self) -> dict[str, Any]:
        """The temporary keys that were given out, by their ids. HomeDamaged: they cannot be read."""
        return read_json(self.path / SESSIONS, NEW_SESSIONS)

    @property
    def had_databases(self) -> bool:
        """Whether a local cloud has run here with both."""
        return (self.path / DATABASES_MADE).exists()

    def note_databases(self) -> None:
        """Both databases are there now."""
        (self.path / DATABASES_MADE).touch(mode=0o600)

    def set(self, area: str, facts: dict[str, Any]) -> None:
        """Keep the settings of an area, in place of those before."""
        write_private(self.path / "settings.json", self.settings() | {area: facts})

    def server(self) -> dict[str, Any] | None:
        """url, console, pid and start of the running local cloud, or None where none runs."""
        return self._announced() if self._locked() else None

    def last_port(self, part: str = "url") -> int | None:
        """The port this home was served at, now or last. part: "url", or "console" for the console's."""
        announced = self._announced() or self._announced(LAST) or {}
        return urlsplit(str(announced.get(part, ""))).port

    def announce(self, **facts: Any) -> None:
        """Write server.json: the local cloud answers from now on."""
        write_private(self.path / "server.json", facts)

    def hold(self) -> IO[str]:
        """Take the lock for the life of this process. BlockingIOError: another process has it."""
        lock = self._open_lock("server.lock")
        try:
            _lock(lock, fcntl.F_OFD_SETLK)
        except OSError:
            lock.close()
            raise BlockingIOError(f"another process serves {self.path}") from None
        with suppress(FileNotFoundError):
            (self.path / "server.json").replace(self.path / LAST)
        return lock

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Starts and ends of one home take turns: wait for the turn."""
        with self._open_lock("starting.lock") as lock:
            _lock(lock, fcntl.F_OFD_SETLKW)
            yield

    def clear(self) -> None:
        """Delete what a local cloud has gathered here, and nothing else; its credentials stay.

        ControlError: something cannot be deleted.
        """
        encrypted.release(self.path)
        for pattern in STATE:
            for found in self.path.glob(pattern):
                trees.discard(self.path, (found.name,))
                if os.path.lexists(found):
                    raise ControlError(f"{found} cannot be deleted.")

    @property
    def limit(self) -> int:
        """Bytes that all S3 objects together may have: SAGELAB_DISK_GB, or 50 GB. ControlError: no number."""
        said = os.environ.get("SAGELAB_DISK_GB") or str(LIMIT_GB)
        try:
            return round(float(said) * 1e9)
        except (ValueError, OverflowError):
            raise ControlError(f"SAGELAB_DISK_GB must be a number of gigabytes, not {said!r}.") from None

    def check_room(self) -> None:
        """OSError: the file system takes not even a megabyte more."""
        try:
            with tempfile.TemporaryFile(dir=self.path) as file:
                file.write(bytes(ROOM))
                file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def disk(self) -> int:
        """Bytes on disk of all the files in the home."""
        return trees.measure(self.path)

    def _announced(self, name: str = "server.json") -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _open_lock(self, name: str) -> IO[str]:
        return os.fdopen(os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")

    def _locked(self) -> bool:
        with self._open_lock("server.lock") as lock:
            return _lock(lock, fcntl.F_OFD_GETLK) != fcntl.F_UNLCK


def _lock(file: IO[str], command: int) -> int:
    """An open file description lock. Asking with F_OFD_GETLK takes nothing, so it never disturbs a start."""
    answer = fcntl.fcntl(file, command, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    kind: int = struct.unpack(FLOCK, answer)[0]
    return kind


def read_json(file: Path, advice: str) -> dict[str, Any]:
    """An object of JSON; empty where there is no file. HomeDamaged: it is none, with what to do about it."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise HomeDamaged(file, f"is damaged ({error})", advice) from error
    if not isinstance(found, dict):
        raise HomeDamaged(file, "is damaged (it is no object of JSON)", advice)
    return found


def write_private(file: Path, content: dict[str, Any], *, keep: bool = False) -> None:
    """Write JSON to `file` as one step, readable by its owner alone; with `keep`, one that is there stays."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(content, out)
    if not keep:
        draft.replace(file)
        return
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _new_credentials() -> Credentials:
    letters = string.ascii_uppercase + "234567"
    return Credentials("AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30))
