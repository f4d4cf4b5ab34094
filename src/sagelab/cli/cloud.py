"""`sagelab up`, `down`, `open`, `status`, `env`, `tls`, `reset`, `doctor`: the local cloud from a shell."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.control import Status
    from sagelab.cloud.home import Home

NOT_RUNNING = 3


@main.command()
@with_home
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen; by default where it did last.")
@click.option("--detach", is_flag=True, help="Run in the background; return when it is ready.")
def up(home: Home, port: int | None, detach: bool) -> None:
    """Start the local cloud."""
    from sagelab.cloud import control

    with ExitStack() as starting:
        running = home.server()
        if running is not None:
            click.echo(f"sagelab is up already at {running['url']}")
            click.echo(f"console: {control.console(home)}")
        elif detach:
            click.echo(f"sagelab is up at {control.up(home, port)}")
            click.echo(f"console: {control.console(home)}")
        else:
            starting.enter_context(home.starting())
            _serve(home, port, starting)


def _serve(home: Home, port: int | None, starting: ExitStack) -> None:
    from sagelab.cloud import control
    from sagelab.cloud.server import serve

    def ready(url: str) -> None:
        starting.close()
        click.echo(f"sagelab is up at {url}\nconsole: {control.console(home)}")

    try:
        serve(home, port, ready)
    except BlockingIOError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@with_home
def down(home: Home) -> None:
    """End the local cloud."""
    from sagelab.cloud import control

    click.echo("sagelab is down" if control.down(home) else "sagelab is not running")


@main.command("open")
@with_home
@click.option("--print", "only_print", is_flag=True, help="Only print the address.")
def open_console(home: Home, only_print: bool) -> None:
    """Open the console in a browser: an address that logs in once, within an hour."""
    from sagelab import browser
    from sagelab.cloud import control

    address = control.console(home)
    click.echo(address)
    if not only_print and (opening := browser.show(address)):
        opening.join()


@main.command()
@with_home
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def status(home: Home, as_json: bool) -> None:
    """Say whether the local cloud runs, where, and what it does; exit code 3 where none runs."""
    from sagelab.cloud import control

    found = control.status(home)
    if found is None:
        click.echo(json.dumps({"running": False, "home": str(home.path)}) if as_json else "sagelab is not running")
        raise click.exceptions.Exit(NOT_RUNNING)
    click.echo(json.dumps({"running": True, **found.facts()}) if as_json else _describe(found))


def _describe(status: Status) -> str:
    lines = {
        "url": status.url,
        "console": f"{status.console} (log in with: sagelab open)",
        "pid": status.pid,
        "home": f"{status.home} ({status.disk / 1e6:.1f} MB; S3 may have {status.limit / 1e9:.0f} GB)",
        "up for": f"{status.uptime:.0f} s",
        "running": ", ".join(f"{kind}: {count}" for kind, count in status.runs.items()) or "nothing",
        "version": status.version,
    }
    if status.clock != 1:
        lines["clock"] = f"{status.clock:g} times faster than the wall's (sagelab clock)"
    return "\n".join(f"{name:8} {value}" for name, value in lines.items())


@main.command()
@with_home
@click.option("--tls/--plain", default=None, help="By TLS (https) or not; by default as this shell has it.")
def env(home: Home, tls: bool | None) -> None:
    """Print shell exports that point programs at the local cloud: eval "$(sagelab env)"."""
    from sagelab.cloud import control

    for name in sorted({*control.FOREIGN, *control.foreign(os.environ)}):
        click.echo(f"unset {name}")
    for name, value in control.environment(home, tls).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command()
@with_home
@click.argument("state", type=click.Choice(["on", "off"]), required=False)
def tls(home: Home, state: str | None) -> None:
    """Say, or set, whether jobs and whatever else starts from now on speak TLS with the local cloud."""
    from sagelab.cloud import tls as wire

    if state:
        wire.let_hosts_speak(home, state == "on")
    click.echo(f"hosts speak {'TLS (https)' if wire.speaking(home) else 'plain HTTP'} with the local cloud")


@main.command()
@with_home
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(home: Home, yes: bool) -> None:
    """End the local cloud and delete all it keeps but its credentials."""
    from sagelab.cloud import control
    from sagelab.k8s import control as kubernetes

    if not yes and not sys.stdin.isatty():
        raise click.ClickException("This deletes every job and resource; --yes says that you mean it.")
    if not yes:
        click.confirm(f"End the local cloud of {home.path} and delete all that it keeps?", abort=True)
    kubernetes.down(home)
    control.reset(home)
    click.echo(f"{home.path} is empty again")


@main.command()
@with_home
def doctor(home: Home) -> None:
    """Say what this machine allows and what is weaker here; exit code 1 where the labs cannot run."""
    from sagelab.cloud.doctor import examine

    checks = examine(home)
    for check in checks:
        click.echo(f"{check.verdict:7} {check.name:11} {check.found}")
        if check.advice:
            click.echo(f"{'':19} {check.advice}")
    raise click.exceptions.Exit(int(any(check.verdict == "missing" for check in checks)))
