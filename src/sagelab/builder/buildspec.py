"""A buildspec, read: what its phases run, what its environment has, and which files it gives back.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
LARGEST = 1 << 20  # characters
ABORT, CONTINUE = "ABORT", "CONTINUE"
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LINES = ("reports", "cache", "batch", "proxy")  # said in the log to be left out


class BadBuildspec(ValueError):
    """A buildspec that is none, in the words of YAML_FILE_ERROR."""


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which could make a text of any size of a small one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise BadBuildspec("YAML aliases are not taken here")
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class Phase:
    """on_failure: ABORT, CONTINUE, or "" for what a phase does by itself."""

    commands: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    on_failure: str = ""


@dataclass(frozen=True)
class Artifacts:
    """files: patterns below `base`. name: of the artifact."""

    files: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    base: str = "."
    flat: bool = False
    name: str = ""


@dataclass(frozen=True)
class Buildspec:
    """parameters, secrets: name -> what it is the value of. python: the version asked for. left_out: is noted."""

    phases: dict[str, Phase]
    variables: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    artifacts: Artifacts = Artifacts()
    python: str = ""
    left_out: tuple[str, ...] = ()


def read(text: str) -> Buildspec:
    """BadBuildspec: it is none, or asks for what does not run here."""
    if len(text) > LARGEST:
        raise BadBuildspec(f"a buildspec has {LARGEST} characters at the most")
    try:
        found = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise BadBuildspec(f"{getattr(error, 'problem', None) or 'cannot be read'}{where}") from None
    if not isinstance(found, dict):
        raise BadBuildspec("a buildspec is a mapping of names")
    if str(found.get("version")) not in ("0.1", "0.2"):
        raise BadBuildspec("invalid buildspec version, supported versions are 0.1 and 0.2")
    phases = _mapping(found, "phases")
    if unknown := sorted(set(map(str, phases)) - set(PHASES)):
        raise BadBuildspec(f"unknown phase {unknown[0]}")
    env = _mapping(found, "env")
    if env.get("shell", "bash") not in ("bash", "/bin/sh", "sh"):
        raise BadBuildspec(f"the shell {env['shell']} is not here: bash and sh are")
    return Buildspec(
        {name: _phase(name, _mapping(phases, name)) for name in PHASES if phases.get(name)},
        _texts(env, "variables"),
        _texts(env, "parameter-store"),
        _texts(env, "secrets-manager"),
        _list(env, "exported-variables"),
        _artifacts(_mapping(found, "artifacts")),
        _python(_mapping(_mapping(phases, "install"), "runtime-versions")),
        tuple(name for name in _LINES if name in found),
    )


def _phase(name: str, found: dict[str, Any]) -> Phase:
    if "run-as" in found:
        raise BadBuildspec("run-as: there is one user here")
    on_failure = str(found.get("on-failure", ""))
    if on_failure not in ("", ABORT, CONTINUE):
        raise BadBuildspec(f"on-failure of {name}: {on_failure} is neither ABORT nor CONTINUE")
    commands = _commands(found, "commands")
    if not commands and "runtime-versions" not in found:
        raise BadBuildspec(f"phase {name} has no commands")
    return Phase(commands, _commands(found, "finally"), on_failure)


def _commands(found: dict[str, Any], member: str) -> tuple[str, ...]:
    value = found.get(member) or []
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(one, dict | list):
            name = member.capitalize()
            raise BadBuildspec(f"Expected {name}[{number}] to be of string type: found subkeys instead")
    return _list(found, member)


def _artifacts(found: dict[str, Any]) -> Artifacts:
    if "secondary-artifacts" in found:
        raise BadBuildspec("secondary-artifacts are not kept here")
    flat = str(found.get("discard-paths", "no")).lower() in ("yes", "true")
    base = str(found.get("base-directory", "."))
    files, excluded = _list(found, "files"), _list(found, "exclude-paths")
    return Artifacts(files, excluded, base, flat, str(found.get("name", "")))


def _python(versions: dict[str, Any]) -> str:
    for name in versions:
        if name != "python":
            raise BadBuildspec(f"Unknown runtime named '{name}'. This build image has the following: python")
    version = str(versions.get("python", ""))
    if version and not re.fullmatch(r"latest|3(\.(x|\d+))*", version):
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        there = f"This build image has the following versions: {here}"
        raise BadBuildspec(f"Unknown runtime version named '{version}' of python. {there}")
    return version


def _mapping(found: dict[str, Any], member: str) -> dict[str, Any]:
    value = found.get(member) or {}
    if not isinstance(value, dict):
        raise BadBuildspec(f"{member} is a mapping of names")
    return value


def _texts(found: dict[str, Any], member: str) -> dict[str, str]:
    values = _mapping(found, member)
    for name, value in values.items():
        if not _NAME.fullmatch(str(name)) or isinstance(value, dict | list):
            raise BadBuildspec(f"{member}: {name} is no variable with a value")
    return {str(name): _text(value) for name, value in values.items()}


def _list(found: dict[str, Any], member: str) -> tuple[str, ...]:
    value = found.get(member) or []
    values = value if isinstance(value, list) else [value]
    return tuple(_text(one) for one in values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
