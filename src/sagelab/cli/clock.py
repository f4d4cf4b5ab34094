"""`sagelab clock`: how fast the local cloud's minutes pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home


@main.group()
def clock() -> None:
    """How fast the minutes of the local cloud pass; on AWS they are minutes.

    Alarms, cooldowns, schedules, idle times, the waits of deployments and the phases of loads go by it, all
    together. Jobs and requests take the time that they take.
    """


@clock.command("show")
@with_home
def show_clock(home: Home) -> None:
    """Say how fast it goes."""
    from datetime import UTC, datetime

    from sagelab.cloud.clock import read

    found = read(home)
    click.echo(
        f"{_describe(found.speed)}\nit shows {datetime.fromtimestamp(found.now(), UTC):%Y-%m-%d %H:%M:%S} UTC"
    )


@clock.command("set")
@with_home
@click.argument("speed", type=float)
def set_clock(home: Home, speed: float) -> None:
    """Let a minute pass SPEED times faster from now on; 1: as on the wall."""
    from sagelab.cloud.clock import set_speed

    set_speed(home, speed)
    click.echo(_describe(speed))


def _describe(speed: float) -> str:
    takes = "a minute" if speed == 1 else f"{60 / speed:.3g} s ({speed:g} times faster)"
    return f"a minute of alarms, cooldowns, schedules and idle times takes {takes}"
