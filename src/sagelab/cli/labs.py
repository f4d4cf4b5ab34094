"""`sagelab exec`, `run`, `clean`: programs and labs against a local cloud, or AWS."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home
    from sagelab.notebooks import Result


@main.command("exec", context_settings={"ignore_unknown_options": True})
@with_home
@click.option("--fresh", is_flag=True, help="In a new, empty home that is gone afterwards.")
@click.option("--announce", is_flag=True, help="Say first where the local cloud is.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(home: Home, fresh: bool, announce: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND against the local cloud; start one for that time if none runs: sagelab exec -- COMMAND."""
    from sagelab import subprocesses
    from sagelab.cloud import control

    with _chosen(home, fresh) as used, control.running(used) as url:
        if announce:
            click.echo(f"sagelab is up at {url}\nconsole: {control.console(used)}", err=True)
        code = subprocesses.run(command, control.surroundings(used))
    raise click.exceptions.Exit(code)


@main.group("lab", invoke_without_command=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Where JupyterLab listens; 8888 or above by default.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@with_home
def lab(home: Home, port: int | None, no_browser: bool) -> None:
    """Open the labs: the local cloud, JupyterLab on your copies, and the start page; Ctrl-C ends it."""
    if click.get_current_context().invoked_subcommand is None:
        from sagelab.desk.server import serve

        serve(home, port, not no_browser)
        click.echo("sagelab has ended")
        sys.stdout.flush()
        os._exit(0)  # a thread of JupyterLab's, at work for a browser when its loop ended, waits for ever


@lab.command("start")
@with_home
@click.argument("name")
def start_lab(home: Home, name: str) -> None:
    """Give you a copy of the lab NAME ("03"), if you have none; yours stays as you left it."""
    from sagelab.desk.copies import Copies

    copies = Copies(home.work)
    click.echo(copies.start(copies.find(name)))


@lab.command("reset")
@with_home
@click.argument("name")
def reset_lab(home: Home, name: str) -> None:
    """Give you the lab NAME as it is shipped; the copy that you have changed is put aside."""
    from sagelab.desk.copies import Copies

    copies = Copies(home.work)
    found = copies.find(name)
    aside = copies.reset(found)
    click.echo(f"{copies.folder / found.notebook} is as shipped.")
    if aside:
        click.echo(f"What you had is in {aside}")


@main.command("clean")
@with_home
@click.option("--target", type=click.Choice(["local", "aws"]), default="local", help="Where to look.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("labs", nargs=-1)
def clean_labs(home: Home, target: str, yes: bool, labs: tuple[str, ...]) -> None:
    """Remove what labs left behind, for instance after an interrupted run; without a name, of all labs."""
    from sagelab.lab import cleanup
    from sagelab.lab.session import ConnectError, connect

    os.environ |= {"SAGELAB_TARGET": target, "SAGELAB_HOME": str(home.path)}
    try:
        for name in labs or cleanup.labs(connect()):
            lab = connect(name)
            left = cleanup.leftovers(lab)
            click.echo(f"{name}: {len(left)} things are left" if len(left) else f"{name}: nothing is left")
            if len(left) and (yes or click.confirm(f"{left.to_string(index=False)}\nRemove them?")):
                click.echo("\n".join(cleanup.clean(lab)))
    except ConnectError as error:
        raise click.ClickException(str(error)) from error


@main.command("run")
@with_home
@click.option("--target", type=click.Choice(["local", "aws"]), default="local", help="Where the labs run.")
@click.option("--yes", is_flag=True, help="On AWS, spend without asking: nobody can be asked here.")
@click.option("--fresh", is_flag=True, help="In a new, empty home that is gone afterwards.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit report too.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON too.")
@click.argument("labs", nargs=-1)
def run_labs(
    home: Home, target: str, yes: bool, fresh: bool, junit: Path | None, report: Path | None, labs: tuple[str, ...]
) -> None:
    """Run the labs' notebooks without a browser: what passed, how long, what AWS would have charged."""
    from sagelab import notebooks

    with _place(home, target, yes, fresh) as env:
        results = list(_reported(notebooks.find(labs), env))
    click.echo(notebooks.summary(results))
    if junit:
        notebooks.write_junit(results, junit)
    if report:
        notebooks.write_json(results, report)
    raise click.exceptions.Exit(int(not all(result.passed for result in results)))


@contextmanager
def _place(home: Home, target: str, yes: bool, fresh: bool) -> Iterator[dict[str, str]]:
    """The environment of notebooks that run on a target; the local cloud runs for the block."""
    if target == "aws":
        if not yes:
            raise click.ClickException(
                "On AWS the labs cost money, and here nobody can be asked; --yes says go on."
            )
        yield {**os.environ, "SAGELAB_TARGET": "aws", "SAGELAB_SPEND": "yes"}
        return
    from sagelab.cloud import control

    with _chosen(home, fresh) as used, control.running(used):
        yield {**control.surroundings(used), "SAGELAB_TARGET": "local"}


def _reported(paths: list[Path], env: Mapping[str, str]) -> Iterator[Result]:
    """Run notebooks and say a line of each; where somebody watches, one more line that moves."""
    from sagelab import notebooks

    click.echo(notebooks.HEAD)
    with notebooks.progress(sys.stdout.isatty()) as watch:
        for result in notebooks.run(paths, env, watch):
            click.echo(notebooks.row(result))
            if result.error:
                click.echo(result.error, err=True)
            yield result


@contextmanager
def _chosen(home: Home, fresh: bool) -> Iterator[Home]:
    """The home itself, or a new one for the block."""
    if not fresh:
        yield home
        return
    from sagelab.cloud.home import Home

    with tempfile.TemporaryDirectory(prefix="sagelab-") as folder:
        yield Home(folder)
