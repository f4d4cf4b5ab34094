"""The command `sagelab`: one local cloud from a shell. Slow things are imported inside the commands."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import sagelab

if TYPE_CHECKING:
    from sagelab.cloud.control import Status
    from sagelab.cloud.home import Home
    from sagelab.notebooks import Result

NOT_RUNNING = 3
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")  # one is set where a browser can be seen


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
    """Give a command the option --home, and its Home as the first argument."""

    def run(home: str | None, **options: Any) -> Any:
        from sagelab.cloud.home import Home

        return command(Home(home), **options)

    option = click.option("--home", type=click.Path(file_okay=False), help="The folder (SAGELAB_HOME).")
    return option(update_wrapper(run, command))


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
    from sagelab.cloud import control

    address = control.console(home)
    click.echo(address)
    if not only_print and any(os.environ.get(name) for name in SCREENS):
        import webbrowser

        webbrowser.open(address)


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
        "jobs": f"{status.jobs} running",
        "version": status.version,
    }
    return "\n".join(f"{name:8} {value}" for name, value in lines.items())


@main.command()
@with_home
def env(home: Home) -> None:
    """Print shell exports that point programs at the local cloud: eval "$(sagelab env)"."""
    from sagelab.cloud import control

    for name in sorted({*control.FOREIGN, *control.foreign(os.environ)}):
        click.echo(f"unset {name}")
    for name, value in control.environment(home).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command()
@with_home
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(home: Home, yes: bool) -> None:
    """End the local cloud and delete all it keeps but its credentials."""
    from sagelab.cloud import control

    if not yes and not sys.stdin.isatty():
        raise click.ClickException("This deletes every job and resource; --yes says that you mean it.")
    if not yes:
        click.confirm(f"End the local cloud of {home.path} and delete all that it keeps?", abort=True)
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


@main.group()
def edge() -> None:
    """A compiled model on an edge device, under emulation."""


@edge.command("run")
@click.option("--target", help="The device that the artifact must have been compiled for: jetson_xavier.")
@click.option("--keras", type=click.Path(exists=True, dir_okay=False), help="The Keras file to compare with.")
@click.option("--digits", "count", default=5, type=click.IntRange(1, 1000), help="How many digits to read.")
@click.argument("artifact", type=click.Path(exists=True))
def run_on_device(target: str | None, keras: str | None, count: int, artifact: str) -> None:
    """Read handwritten digits with ARTIFACT, the .tar.gz (or folder) of a compilation job for an ARM64 device."""
    from sagelab import edge as devices

    images, labels = devices.held_out_digits(count)
    try:
        readings = devices.run(artifact, images, target)
    except devices.EdgeError as error:
        raise click.ClickException(str(error)) from error
    manifest = readings.manifest
    click.echo(f"{manifest.target}: {manifest.cpu} ({manifest.triple}), emulated; {manifest.compiler}")
    click.echo(f"digits  {' '.join(map(str, labels))}\nread as {' '.join(map(str, readings.digits))}")
    if keras:
        scores = devices.keras_scores(keras, images)
        same = int((scores.argmax(axis=1) == readings.digits).sum())
        click.echo(
            f"as Keras reads them: {same} of {count}; scores differ by {abs(scores - readings.scores).max():.1g}"
        )


@main.group()
def image() -> None:
    """Images of your own: folders with a `serve` or a `train` program that stand for container images."""


@image.command("add")
@with_home
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def add_image(home: Home, name: str, folder: Path) -> None:
    """Keep a copy of FOLDER as the image NAME; jobs and models name it from then on."""
    from sagelab.cloud.images import Images

    click.echo(f"{Images(home.images).add(name, folder)} is an image now")


@image.command("list")
@with_home
def list_images(home: Home) -> None:
    """Every image of your own, and what it can do."""
    from sagelab.cloud.images import Images

    for name, commands in Images(home.images).names().items():
        click.echo(f"{name:40} {', '.join(commands)}")


@image.command("remove")
@with_home
@click.argument("name")
def remove_image(home: Home, name: str) -> None:
    """Forget an image; what runs from it goes on."""
    from sagelab.cloud.images import Images

    click.echo(f"{Images(home.images).remove(name)} is gone")
