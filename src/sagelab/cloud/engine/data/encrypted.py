"""Folders that are encrypted on disk, as the volumes of instances are under a key of KMS: by gocryptfs.

What is stored are files of gocryptfs's; seen is what is in them, at a mount that this machine's user alone can
look at. So everything that goes by a path goes on as it did. The passphrase is a data key of KMS: it goes to
gocryptfs by a pipe and is in no file, no argument and no variable.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.errors import ClientError, InternalServerError

PROGRAMS = ("gocryptfs", "fusermount3")
DEVICE = Path("/dev/fuse")
TIMEOUT = 30.0  # seconds until a folder is there
_KINDS = (b"fuse.gocryptfs", b"fuse.sagelab")  # and folders of FastFile mode
_ESCAPED = re.compile(rb"\\([0-7]{3})")  # how the kernel writes a space, a tab, a line break and a backslash
_LOG = 1 << 10  # bytes of what gocryptfs says of a failure


@dataclass(frozen=True)
class Opened:
    """A folder, mounted: what is written to `seen` is stored encrypted."""

    seen: Path

    def close(self) -> None:
        """Nobody sees it any more; gocryptfs ends with its mount."""
        release(self.seen)


def unavailable() -> str | None:
    """Why no folder can be encrypted on this machine; None: it can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} is not installed (apt-get install gocryptfs fuse3)"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"{DEVICE} cannot be opened by this user"
    return None


def new_key(kms: Any, key: str, purpose: str) -> tuple[bytes, bytes]:
    """A new passphrase, and the same encrypted under a key of KMS. ClientError: that cannot be used."""
    try:
        made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=_context(purpose))
    except botocore.exceptions.ClientError as error:
        raise _unusable(key, error) from None
    return base64.b64encode(made["Plaintext"]), made["CiphertextBlob"]


def open_key(kms: Any, key: str, wrapped: bytes, purpose: str) -> bytes:
    """The passphrase that was made for a purpose. ClientError: the key that it is under cannot be used."""
    try:
        found = kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=_context(purpose))
    except botocore.exceptions.ClientError as error:
        raise _unusable(key, error) from None
    return base64.b64encode(found["Plaintext"])


def open_folder(stored: Path, seen: Path, passphrase: bytes) -> Opened:
    """Mount a folder; made where there is none yet. InternalServerError: gocryptfs does not."""
    if reason := unavailable():
        raise InternalServerError(f"A volume cannot be encrypted on this machine: {reason}.")
    seen.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (stored / "gocryptfs.conf").exists():
        stored.mkdir(mode=0o700, parents=True, exist_ok=True)
        _run(["-init", "-q", "-nosyslog", "-scryptn", "10", "--", str(stored)], passphrase)
    _run(["-q", "-nosyslog", "-o", "nodev,nosuid", "--", str(stored), str(seen)], passphrase)
    return Opened(seen)


def release(folder: Path) -> None:
    """Take away every such mount at a folder and below, as one that was killed leaves them."""
    for seen in mounts(folder):
        subprocess.run(["fusermount3", "-u", "-z", "--", seen], check=False, stderr=subprocess.DEVNULL)


def mounts(folder: Path) -> list[str]:
    """Where something is mounted so, at a folder and below; the innermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().split(b"\n"):
        fields, _, rest = line.partition(b" - ")
        if rest.startswith(_KINDS):
            seen = os.fsdecode(_ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), fields.split(b" ")[4]))
            if Path(seen).is_relative_to(folder):
                found.append(seen)
    return sorted(found, key=len, reverse=True)


def _context(purpose: str) -> dict[str, str]:
    return {"aws:sagemaker:volume": purpose}


def _unusable(key: str, error: botocore.exceptions.ClientError) -> ClientError:
    found = error.response["Error"]
    words = f"{found['Code']}: {found.get('Message', '')}"
    return ClientError(f"The KMS key {key} of the volume cannot be used: {words}")


def _run(options: list[str], passphrase: bytes) -> None:
    """gocryptfs, until it has done, or has mounted, what it was asked for."""
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            ["gocryptfs", *options],
            input=passphrase + b"\n",
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=TIMEOUT,
            start_new_session=True,  # a Ctrl-C for the local cloud ends its hosts first
        )
        if done.returncode:
            said.seek(0)
            words = said.read(_LOG).decode(errors="replace").strip()
            raise InternalServerError(f"gocryptfs ended with exit code {done.returncode}: {words}")
