"""The options of smspark-submit: https://github.com/aws/sagemaker-spark-container/blob/master/src/smspark/cli.py"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import click

from sagelab.spark.errors import ApplicationError, InputError

LISTS = ("jars", "py-files", "files")  # folders, files or S3's, with commas between them
REMOTE = ("s3", "s3a")


@dataclass(frozen=True)
class Submission:
    """What is run. application: a script or jar, and its arguments. lists: option of LISTS -> files."""

    application: tuple[str, ...]
    lists: dict[str, list[str]]
    main_class: str | None = None
    verbose: bool = False
    event_logs_uri: str | None = None
    event_logs_folder: str | None = None

    def command(self, master: str) -> list[str]:
        """As spark-submit has it."""
        words = ["spark-submit", "--master", master, "--deploy-mode", "client"]
        words += ["--class", self.main_class] if self.main_class else []
        for name, files in self.lists.items():
            words += [f"--{name}", ",".join(files)]
        return [*words, *(["--verbose"] if self.verbose else []), *self.application]


@click.command("smspark-submit", context_settings={"allow_interspersed_args": False})
@click.option("--class", "main_class")
@click.option("--jars")
@click.option("--py-files")
@click.option("--files")
@click.option("--spark-event-logs-s3-uri", "event_logs_uri")
@click.option("--local-spark-event-logs-dir", "event_logs_folder")
@click.option("-v", "--verbose", is_flag=True)
@click.argument("app")
@click.argument("app_arguments", nargs=-1, type=click.UNPROCESSED)
def _command(**given: Any) -> dict[str, Any]:
    return given


def parse(arguments: Sequence[str]) -> Submission:
    """What the arguments ask for. ApplicationError: they make no sense. InputError: a file is not there."""
    try:
        given = _command.main(list(arguments), standalone_mode=False)
    except (click.MissingParameter, click.NoSuchOption) as error:
        raise ApplicationError("Couldn't parse input.", error) from error
    except click.ClickException as error:
        raise ApplicationError("error running Spark job", error) from error
    if not isinstance(given, dict):
        raise SystemExit(0)  # --help
    application = (given.pop("app"), *given.pop("app_arguments"))
    lists = {name: list(expand(given.pop(name.replace("-", "_")) or "")) for name in LISTS}
    return Submission(application, {name: files for name, files in lists.items() if files}, **given)


def expand(text: str) -> Iterator[str]:
    """The files of a list, of folders those that lie in them. InputError: one is not there."""
    for place in filter(None, text.split(",")):
        scheme = urlparse(place).scheme
        if scheme in REMOTE:
            yield place
        elif scheme in ("", "file"):
            yield from _local(Path(urlparse(place).path if scheme else place))
        else:
            raise InputError(ValueError(f"{place}: a file of this host or an s3:// or s3a:// URI is needed"))


def _local(place: Path) -> Iterator[str]:
    if not place.is_absolute():
        raise InputError(ValueError(f"file path {place} must be an absolute path to a file or directory"))
    if not place.exists():
        raise InputError(ValueError(f"file path {place} does not exist"))
    if place.is_file():
        yield str(place.resolve())
        return
    files = sorted(str(file.resolve()) for file in place.iterdir() if file.is_file())
    if not files:
        raise InputError(ValueError(f"Found zero files in {place}"))
    yield from files
