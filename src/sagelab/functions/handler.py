"""The handler of a function: found by its name ("index.handler", "folder/index.handler"), as AWS finds it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sagelab.functions.errors import FunctionFault

Handler = Callable[[Any, Any], Any]

# What the runtime brings: a function that brings one of them itself has all of them of its own.
SDK = frozenset("boto3 botocore s3transfer jmespath dateutil urllib3 six".split())


def find(name: str, task: str, layers: str) -> Handler:
    """The function that `name` stands for. FunctionFault, or what its module raises: there is none.

    task: the folder of its code. layers: of the packages of its layers.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    brought = [task, f"{layers}/lib/{version}/site-packages", layers]
    sys.path[:0] = [folder for folder in brought if os.path.isdir(folder)]  # noqa: PTH112
    _forget_shadowed(brought)
    try:
        module_name, attribute = name.rsplit(".", 1)
    except ValueError as error:
        raise FunctionFault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}") from None
    module = _module(module_name)
    try:
        found: Handler = getattr(module, attribute)
    except AttributeError:
        raise FunctionFault(
            "Runtime.HandlerNotFound", f"Handler '{attribute}' missing on module '{module_name}'"
        ) from None
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{name}': {error}"
        raise FunctionFault("Runtime.ImportModuleError", message) from None
    except SyntaxError as error:
        place = [f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").strip()}\n']
        message = f"Syntax error in module '{name}': {error}"
        raise FunctionFault("Runtime.UserCodeSyntaxError", message, place) from None


def _forget_shadowed(folders: Iterable[str]) -> None:
    """What was imported before, of what the function brings itself, is imported again from there."""
    names = {entry.partition(".")[0] for folder in folders for entry in _entries(folder)}
    if names & SDK:
        names |= SDK
    for module in list(sys.modules):
        first = module.partition(".")[0]
        if first in names and first not in sys.stdlib_module_names and first not in ("sagelab", "__main__"):
            del sys.modules[module]
    importlib.invalidate_caches()


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
