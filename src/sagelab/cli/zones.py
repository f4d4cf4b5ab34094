"""`sagelab zone`: the zones of availability that servers of endpoints stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home


@main.group()
def zone() -> None:
    """The zones of availability of the local cloud: servers of endpoints are spread over them.

    One machine has no zones: a server carries the name of one, and dies with it.
    """


@zone.command("show")
@with_home
def show_zones(home: Home) -> None:
    """Say which zones are up, and how many servers of endpoints stand in each."""
    from sagelab.cloud.zones import show

    for name, up, servers in show(home):
        click.echo(f"{name:16} {'up' if up else 'down':5} {servers}")


@zone.command("down")
@with_home
@click.argument("name", metavar="ZONE")
def take_zone(home: Home, name: str) -> None:
    """Lose ZONE: kill every server of an endpoint that stands there, and let none start there."""
    from sagelab.cloud.zones import set_zone

    lost = set_zone(home, name, up=False)
    click.echo(f"{name} is down: {lost} server{'' if lost == 1 else 's'} killed")


@zone.command("up")
@with_home
@click.argument("name", metavar="ZONE")
def return_zone(home: Home, name: str) -> None:
    """Let ZONE come back, for servers that start from now on."""
    from sagelab.cloud.zones import set_zone

    set_zone(home, name, up=True)
    click.echo(f"{name} is up")
