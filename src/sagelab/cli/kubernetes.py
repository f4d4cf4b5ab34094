"""`sagelab k8s`: a Kubernetes API for custom resources, with AWS's controller for SageMaker on it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home


@main.group()
def k8s() -> None:
    """Kubernetes' API for SageMaker's kinds: kubectl apply -f training-job.yaml. No nodes, no pods."""


@k8s.command("up")
@with_home
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen; by default where it did last.")
@click.option("--without-operator", is_flag=True, help="The API alone: nothing acts on SageMaker's kinds.")
def start(home: Home, port: int | None, without_operator: bool) -> None:
    """Start the API, and the local cloud if none runs; return when both are ready."""
    from sagelab.cloud.engine.images.environments import PullFailed
    from sagelab.k8s import control

    try:
        url = control.up(home, port, not without_operator)
    except PullFailed as error:
        raise click.ClickException(f"{error} --without-operator starts the API alone.") from error
    click.echo(f"the Kubernetes API is up at {url}")
    click.echo(f"export KUBECONFIG={shlex.quote(str(control.kubeconfig(home)))}")


@k8s.command("down")
@with_home
def end(home: Home) -> None:
    """End the API; what it keeps stays, and so does the local cloud."""
    from sagelab.k8s import control

    click.echo("the Kubernetes API is down" if control.down(home) else "no Kubernetes API is running")


@k8s.command("env")
@with_home
def print_exports(home: Home) -> None:
    """Print the shell export that points kubectl at it: eval "$(sagelab k8s env)"."""
    from sagelab.k8s import control

    click.echo(f"export KUBECONFIG={shlex.quote(str(control.kubeconfig(home)))}")


@k8s.command("kubeconfig")
@with_home
def print_kubeconfig(home: Home) -> None:
    """Print the kubeconfig itself, with its token: to be merged with one of your own."""
    from sagelab.k8s import control

    click.echo(control.kubeconfig(home).read_text())
