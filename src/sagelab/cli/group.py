"""The command itself, and what every command of the local cloud has: a home, and errors of one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import click

import sagelab

NOT_HERE = (
    "The local cloud runs jobs as Linux does, which {system} cannot: open this folder in its dev container "
    "(.devcontainer, by VS Code or GitHub Codespaces){wsl}, or run the labs in your AWS account "
    "(SAGELAB_TARGET=aws)."
)
SYSTEMS = {"darwin": "macOS", "win32": "Windows"}


class _Group(click.Group):
    """Says a ControlError, and what the home's file system refuses, as one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        from sagelab.cloud.errors import ControlError, HomeRefused

        try:
            return super().invoke(ctx)
        except (ControlError, OSError) as error:
            if said := error if isinstance(error, ControlError) else HomeRefused.of(error):
                raise click.ClickException(str(said)) from error
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sagelab.__version__)
def main() -> None:
    """SageMaker labs that really run here. Every command acts on the local cloud of SAGELAB_HOME."""


def with_home(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --home, and its Home as the first argument. Where there is no Linux it says so."""

    def run(home: str | None, **options: Any) -> Any:
        if sys.platform != "linux":
            wsl = " or in WSL" if sys.platform == "win32" else ""
            raise click.ClickException(NOT_HERE.format(system=SYSTEMS.get(sys.platform, sys.platform), wsl=wsl))
        from sagelab.cloud.home import Home

        return command(Home(home), **options)

    option = click.option("--home", type=click.Path(file_okay=False), help="The folder (SAGELAB_HOME).")
    return option(update_wrapper(run, command))
