"""The files of tests that a run collects, imported once for all of its workers, with their assertions rewritten.

A warm Python runs this before it is forked (warm.py): the pytest of a worker takes a module that is there. What
cannot be imported is left to the workers, which tell why.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

from _pytest.config import _prepareconfig
from _pytest.pathlib import import_path, module_name_from_path

FILES = "SAGELAB_TEST_FILES"  # the variable that names them, in JSON (forks.py)


def main() -> None:
    """Import them, and the conftest.py of each folder of theirs first, as pytest does."""
    files = [Path(file) for file in json.loads(os.environ.get(FILES, "[]"))]
    if not files:
        return
    config = _prepareconfig(["--capture=no", str(files[0])])
    root = config.rootpath
    folders = dict.fromkeys(folder for file in files for folder in reversed(file.parents))
    conftests = [folder / "conftest.py" for folder in folders if folder.is_relative_to(root)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file in (*filter(Path.exists, conftests), *files):
            try_to_import(file, root)
    config._ensure_unconfigure()


def try_to_import(file: Path, root: Path) -> None:
    try:
        import_path(file, mode="importlib", root=root, consider_namespace_packages=False)
    except BaseException:  # also what skips a whole file
        sys.modules.pop(module_name_from_path(file, root), None)


main()
