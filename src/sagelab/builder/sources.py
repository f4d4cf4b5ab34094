"""The source of a build, fetched with the keys of its role; and what it gives back, put to S3 with them."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagelab.builder.buildspec import Artifacts

MOST = 1 << 32  # bytes that a zip unpacks to


class ClientError(Exception):
    """What a phase's context has as CLIENT_ERROR."""


def fetch(source: dict[str, Any], folder: Path) -> str:
    """Put the source into a folder; which version it is. ClientError: it cannot be had."""
    folder.mkdir(parents=True)
    version = source.get("version") or ""
    if source["type"] == "CODECOMMIT":
        return _clone(source["location"], version, folder)
    if source["type"] == "S3":
        return _download(source["location"], version, folder)
    return ""


def _clone(url: str, version: str, folder: Path) -> str:
    where = f"for primary source and source version {version}".rstrip()
    done = _git("clone", "--quiet", "--", url, ".", folder=folder)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["git could not clone it"]
        raise ClientError(f"{said[-1].removeprefix('fatal: ')} {where}")
    for name in (f"origin/{version}", version) if version else ("HEAD",):
        name = name.replace("origin/refs/heads/", "origin/")
        if not _git("checkout", "--quiet", "--detach", name, "--", folder=folder).returncode:
            return _git("rev-parse", "HEAD", folder=folder).stdout.strip()
    raise ClientError(f"reference not found {where}")


def _git(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def _download(location: str, version: str, folder: Path) -> str:
    bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
    s3 = client("s3")
    try:
        if key.endswith("/"):
            _download_folder(s3, bucket, key, folder)
            return ""
        with tempfile.TemporaryFile() as file:
            named = {"VersionId": version} if version else {}
            s3.download_fileobj(bucket, key, file, ExtraArgs=named or None)
            unzip(file, folder)
    except s3.exceptions.ClientError as error:
        code = error.response.get("Error", {})
        raise ClientError(f"{code.get('Code')}: {code.get('Message')} for primary source {location}") from None
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ClientError(f"{location} is no ZIP file that can be unpacked: {error}") from None
    return version


def _download_folder(s3: Any, bucket: str, prefix: str, folder: Path) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            name = found["Key"].removeprefix(prefix)
            if name and not name.endswith("/"):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, found["Key"], str(target))


def unzip(file: Any, folder: Path) -> None:
    """Unpack a zip with its modes. BadZipFile, ValueError: it cannot be."""
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST:
            raise ValueError(f"it unpacks to more than {MOST} bytes")
        for member in archive.infolist():
            path = archive.extract(member, folder)
            if mode := (member.external_attr >> 16) & 0o777:
                Path(path).chmod(mode | 0o600)


def client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def chosen(artifacts: Artifacts, folder: Path) -> Iterator[tuple[Path, str]]:
    """(file, its name in the artifact) of each file. ClientError: a pattern fits none."""
    base = folder / artifacts.base
    for pattern in artifacts.files:
        found = sorted(_match(base, pattern))
        if not found:
            raise ClientError(f"no matching artifact paths found for {pattern}")
        for file in found:
            name = str(file.relative_to(base))
            if not any(fnmatch.fnmatch(name, each) for each in artifacts.excluded):
                yield file, file.name if artifacts.flat else name


def _match(base: Path, pattern: str) -> Iterator[Path]:
    plain = base / pattern
    if plain.is_file():
        yield plain
        return
    pattern = f"{pattern.rstrip('/')}/**/*" if plain.is_dir() else pattern
    yield from (each for each in base.glob(pattern) if each.is_file())


def upload(asked: dict[str, Any], artifacts: Artifacts, folder: Path) -> str:
    """Put the artifact where the build's project says; the ARN of where it is. ClientError: it cannot be."""
    bucket = asked["location"]
    key = "/".join(part for part in (asked.get("path", "").strip("/"), asked["name"].strip("/")) if part)
    s3, extra = client("s3"), _encryption(asked)
    try:
        if asked.get("packaging") == "ZIP":
            with tempfile.TemporaryFile() as out:
                with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                    for file, name in chosen(artifacts, folder):
                        archive.write(file, name)
                out.seek(0)
                s3.put_object(Bucket=bucket, Key=key, Body=out, **extra)
        else:
            for file, name in chosen(artifacts, folder):
                with file.open("rb") as body:
                    s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=body, **extra)
    except s3.exceptions.ClientError as error:
        code = error.response.get("Error", {})
        raise ClientError(f"{code.get('Code')}: {code.get('Message')} for {bucket}/{key}") from None
    except (ValueError, OSError) as error:
        raise ClientError(str(error)) from None
    return f"arn:aws:s3:::{bucket}/{key}"


def _encryption(asked: dict[str, Any]) -> dict[str, str]:
    key = asked.get("encryptionKey")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
