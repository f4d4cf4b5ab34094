"""`sagelab spot`: the market for spare capacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home


@main.group()
def spot() -> None:
    """The spot market of the local cloud, which interrupts managed spot jobs; on AWS others do."""


@spot.command("show")
@with_home
def show_spot(home: Home) -> None:
    """Say how the market is set."""
    from sagelab.cloud.spot import read_market

    click.echo(_describe_market(asdict(read_market(home))))


@spot.command("set")
@with_home
@click.option("--rate", metavar="N", help="Interruptions an hour of training, on average; 0 for none.")
@click.option("--wait", metavar="SECONDS", help="Until there is capacity again, on average.")
@click.option("--seed", metavar="N", help="The same seed, the same interruptions.")
@click.option("--interruptions", metavar="N", help="The most that the market interrupts one job.")
@click.option("--notice", metavar="SECONDS", help="Between SIGTERM and SIGKILL; 120 on AWS.")
def set_spot(home: Home, **facts: str | None) -> None:
    """Set the market for the jobs that start from now on."""
    from sagelab.cloud.spot import set_market

    given = {name: text for name, text in facts.items() if text is not None}
    click.echo(_describe_market(asdict(set_market(home, given))))


@spot.command("interrupt")
@with_home
@click.argument("job")
def interrupt_spot(home: Home, job: str) -> None:
    """Take the capacity of the running spot job JOB away, now."""
    from sagelab.cloud.spot import interrupt

    interrupt(home, job)
    click.echo(f"the capacity of {job} is taken away")


def _describe_market(facts: Mapping[str, float]) -> str:
    return "\n".join(f"{name:14} {value:g}" for name, value in facts.items())
