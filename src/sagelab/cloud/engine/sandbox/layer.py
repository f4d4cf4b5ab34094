"""What a host adds to the packages of its image: a layer over them that is the host's own, and gone with it.

Where the kernel has overlayfs for users, the environment of the host's Python can be written in the host, as in a
container: what changes is in the layer, and the image never is. Elsewhere, and in a plain process, the layer is a
virtual environment whose packages come before the image's.

    FOLDER/layer/upper      what the host has added or changed, from the environment's folder on; in it at LAYER
    FOLDER/layer/work       the kernel's own
"""

from __future__ import annotations

import site
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from sagelab.cloud.engine.sandbox.namespaces import COMMANDS, LAYER, LAYER_FILE, PACKAGES, HostSpec

PYTHON = f"{LAYER}/bin/python3"
# A container's Python has packages of a user's; here there is one user, and pip refuses them in an environment.
USER = """\
import sys; "--user" in sys.argv \
and (sys.argv[0].endswith(("/pip", "/pip3")) or sys.orig_argv[1:3] == ["-m", "pip"]) \
and sys.argv.remove("--user")
"""


@dataclass(frozen=True)
class Beside:
    """More packages of an image, beside those of its Python. start: a module that is imported at each start."""

    packages: Path
    start: str = ""


def lay_out(host: HostSpec, python: Path, overlay: bool, beside: Beside | None = None) -> HostSpec:
    """Make a host's layer, unless it is started again and has one, and tell the host of it.

    python: of its image. overlay: whether the layer lies over the image's packages.
    """
    prefix = python.parent.parent
    if not Path(host.folder, "layer").exists():
        _make(Path(host.folder, "layer"), None if overlay else python, beside)
    if beside:
        host = replace(host, packages=str(beside.packages))
    bins = [str(prefix / "bin")]
    if not overlay:
        python, prefix, bins = Path(PYTHON), Path(LAYER), [f"{LAYER}/bin", *bins]
    own = {"UV_LINK_MODE": "copy"}  # uv cannot link into a layer
    if not overlay or (prefix / "pyvenv.cfg").exists():
        own["VIRTUAL_ENV"] = str(prefix)
    path = host.env.get("PATH", "").replace(f"{COMMANDS}:", f"{COMMANDS}:{':'.join(bins)}:", 1)
    return replace(host, python=str(python), env=own | host.env | {"PATH": path})


def _make(layer: Path, python: Path | None, beside: Beside | None) -> None:
    """python: whose packages a virtual environment finds after its own; None: it is none."""
    packages = layer / "upper" / PACKAGES
    packages.mkdir(parents=True)
    (layer / "work").mkdir()
    (layer / "upper" / LAYER_FILE).write_text(USER)
    if python:
        _make_environment(layer / "upper", python)
    if beside:
        start = f"import {beside.start}\n" if beside.start else ""
        (packages / "packages.pth").write_text(f"{beside.packages}\n{start}")


def _make_environment(folder: Path, python: Path) -> None:
    base = Path(sys._base_executable)  # type: ignore[attr-defined]
    (folder / "bin").mkdir()
    (folder / "bin/python3").symlink_to(base)
    (folder / "bin/python").symlink_to("python3")
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    image = site.getsitepackages() if str(python) == sys.executable else [str(python.parent.parent / PACKAGES)]
    lines = [f"import site; site.addsitedir({one!r})\n" for one in image]
    (folder / PACKAGES / "image.pth").write_text("".join(lines))
