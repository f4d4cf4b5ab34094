"""The arguments of a job.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-get-resolved-options.html
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

_RESERVED = ("JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION", "job_bookmark_option")
_BOOKMARKS = ("job-bookmark-enable", "job-bookmark-disable", "job-bookmark-pause")
_ALWAYS = ("TempDir", "RedshiftTempDir", "JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION")


class GlueArgumentError(Exception):
    """An argument is missing, or cannot be understood."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, Any]:  # noqa: N802 # AWS's name
    """Name -> value of those that are asked for; with "_" for "-". GlueArgumentError: one is not there."""
    for name in options:
        if name in _RESERVED:
            raise RuntimeError(f"Using reserved arguments {name}")
    parser = _Parser(allow_abbrev=False, add_help=False)
    for name in options:
        parser.add_argument(f"--{name}", required=True)
    for name in _ALWAYS:
        if name not in options:
            parser.add_argument(f"--{name}", default=argparse.SUPPRESS)
    parser.add_argument("--job-bookmark-option", choices=_BOOKMARKS, default="job-bookmark-disable")
    return vars(parser.parse_known_args(list(args[1:]))[0])
