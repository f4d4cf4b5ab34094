"""Wheels that tests make: a package that no index has, in a zip file."""

from __future__ import annotations

import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, source: str = "", script: str = "", path: str = "") -> Path:
    """A pure wheel with one module of this source.

    script: a command of it, which says that it runs. path: a line of a file that adds to Python's path.
    """
    module = name.replace("-", "_")
    source += f"\ndef main():\n    print({name + ' runs'!r})\n"
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script} = {module}:main\n"
    if path:
        files[f"{module}.pth"] = path
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        for file, text in (files | {f"{info}/RECORD": record}).items():
            out.writestr(file, text)
    return wheel
