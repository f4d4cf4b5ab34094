"""`sagelab kfp`: pipelines of Kubeflow, run here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home


@main.group()
def kfp() -> None:
    """Kubeflow Pipelines, run by kfp.local, with SageMaker's steps (sagelab.kubeflow.components)."""


@kfp.command("run")
@with_home
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("parameters", nargs=-1)
def run_pipeline(home: Home, file: Path, parameters: tuple[str, ...]) -> None:
    """Run the pipeline of FILE, Python or compiled, with NAME=VALUE for its parameters.

    Its packages are pulled on first use, and the local cloud is started if none runs.
    """
    from sagelab import subprocesses
    from sagelab.cloud import control
    from sagelab.cloud.engine.images.environments import KUBEFLOW, Environments, PullFailed

    places = Environments(home.environments)
    try:
        places.pull(KUBEFLOW)
    except PullFailed as error:
        raise click.ClickException(str(error)) from error
    python = places.python(KUBEFLOW)
    with control.running(home):
        env = control.surroundings(home)
        env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", os.defpath)])
        code = subprocesses.run([str(python), "-m", "sagelab.kubeflow", str(file), *parameters], env)
    raise click.exceptions.Exit(code)
