"""`sagelab edge`: a compiled model on a device; `sagelab image`: images of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sagelab.cli.group import main, with_home

if TYPE_CHECKING:
    from sagelab.cloud.home import Home


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
    """The container images: AWS's that run here, and your own.

    Your own are folders with a `serve` or a `train` program.
    """


@image.command("add")
@with_home
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def add_image(home: Home, name: str, folder: Path) -> None:
    """Keep a copy of FOLDER as the image NAME; jobs and models name it from then on."""
    from sagelab.cloud.engine.images.own import OwnImages

    click.echo(f"{OwnImages(home.images).add(name, folder)} is an image now")


@image.command("list")
@with_home
def list_images(home: Home) -> None:
    """Every image of your own, and what it can do."""
    from sagelab.cloud.engine.images.own import OwnImages

    for name, commands in OwnImages(home.images).names().items():
        click.echo(f"{name:40} {', '.join(commands)}")


@image.command("ls")
@with_home
@click.pass_context
def list_environments(context: click.Context, home: Home) -> None:
    """The packages behind the images: whether they are pulled, how large they are; then the images of your own."""
    from sagelab.cloud.engine.images.environments import Environments
    from sagelab.cloud.engine.images.registry import environments

    known = Environments(home.environments)
    for name, environment in environments().items():
        there = "pulled" if environment.lock else "always there"
        state = there if known.is_there(environment) else "not pulled"
        size = f"{known.size(environment) / 1e6:,.0f} MB" if state == "pulled" else ""
        details = [*environment.versions(), *filter(None, [known.lacks(environment)])]
        click.echo(f"{name:20} {state:14} {size:>10}  {', '.join(details)}".rstrip())
    context.invoke(list_images)


@image.command("pull")
@with_home
@click.argument("names", nargs=-1, required=True)
def pull_images(home: Home, names: tuple[str, ...]) -> None:
    """Download the packages of images ahead of their first use; `sagelab image ls` has the NAMES."""
    from sagelab.cloud.engine.images.environments import Environments, PullFailed
    from sagelab.cloud.engine.images.registry import environments

    known, places = environments(), Environments(home.environments)
    for name in names:
        if name not in known:
            raise click.ClickException(f"There is no environment {name!r}; there are {', '.join(known)}.")
        try:
            places.pull(known[name], whole=True)
        except PullFailed as error:
            raise click.ClickException(str(error)) from error
        click.echo(", ".join(filter(None, [f"{name} is here", places.lacks(known[name])])))


@image.command("remove")
@with_home
@click.argument("name")
def remove_image(home: Home, name: str) -> None:
    """Forget an image; what runs from it goes on."""
    from sagelab.cloud.engine.images.own import OwnImages

    click.echo(f"{OwnImages(home.images).remove(name)} is gone")
