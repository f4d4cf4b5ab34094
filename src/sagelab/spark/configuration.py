"""The user's configuration as EMR has it: classifications, their properties, and the files that they become.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-configure-apps.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

SITES = {"core-site": "core-site.xml", "hive-site": "hive-site.xml", "spark-hive-site": "hive-site.xml"}
PROPERTIES = {"spark-log4j": "log4j2.properties", "spark-metrics": "metrics.properties"}
ENVIRONMENTS = ("spark-env",)
# Of programs that are not here: read, said in the log, and without effect.
IDLE = (
    *("hadoop-env", "hadoop-log4j", "hive-env", "hive-log4j", "hive-exec-log4j"),
    *("yarn-env", "yarn-site"),
)
KNOWN = (*SITES, *PROPERTIES, "spark-defaults", *ENVIRONMENTS, *IDLE)
GUIDE = "https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-configure-apps.html"
LIMIT = 1 << 20  # bytes of a configuration


@dataclass
class Configuration:
    """What a configuration comes to. files: name -> text. idle: classifications without effect."""

    defaults: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    idle: list[str] = field(default_factory=list)


def read(file: Path) -> Configuration:
    """Of a file; where there is none, of nothing. ValueError: it is no configuration."""
    if not file.exists():
        return Configuration()
    with file.open("rb") as stream:
        text = stream.read(LIMIT + 1)
    if len(text) > LIMIT:
        raise ValueError(f"{file} has more than {LIMIT:,} bytes")
    return parse(json.loads(text))


def parse(given: Any) -> Configuration:
    """Of one classification, or a list of them. ValueError: it is none."""
    found, sites = Configuration(), dict[str, dict[str, str]]()
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, dict) or "Classification" not in one:
            raise ValueError(f"A configuration has a Classification and Properties. Please refer to {GUIDE}")
        name, properties = str(one["Classification"]), _properties(one)
        if name not in KNOWN:
            raise ValueError(
                f"Invalid classification: {name}. Must be one of {list(KNOWN)}."
                f" Please refer to {GUIDE} for more information."
            )
        if name in IDLE:
            found.idle.append(name)
        elif name in SITES:
            sites.setdefault(SITES[name], {}).update(properties)
        elif name in PROPERTIES:
            lines = "".join(f"{key}={value}\n" for key, value in properties.items())
            found.files[PROPERTIES[name]] = found.files.get(PROPERTIES[name], "") + lines
        elif name in ENVIRONMENTS:
            found.environment.update(_exports(one))
        else:
            found.defaults.update(properties)
    found.files |= {file: site(properties) for file, properties in sites.items()}
    return found


def _properties(one: Mapping[str, Any]) -> dict[str, str]:
    given = one.get("Properties") or {}
    if not isinstance(given, dict):
        raise ValueError(f"{one['Classification']}: Properties are names with their values")
    return {str(key): _text(value) for key, value in given.items()}


def _text(value: Any) -> str:
    """On one line, as a file of properties has it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return " ".join(text.splitlines())


def _exports(one: Mapping[str, Any]) -> dict[str, str]:
    inner = one.get("Configurations")
    if not isinstance(inner, list) or not inner:
        raise ValueError(
            f"'env' classifications require a sub-configuration. Please refer to {GUIDE} for more information"
        )
    if any(not isinstance(each, dict) or each.get("Classification") != "export" for each in inner):
        raise ValueError(
            "env classifications must use the 'export' sub-classification."
            f" Please refer to {GUIDE} for more information."
        )
    return dict(_pairs(inner))


def _pairs(inner: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in inner:
        yield from _properties(each).items()


def site(properties: Mapping[str, str]) -> str:
    """A file of Hadoop's."""
    rows = (
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in properties.items()
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{"".join(rows)}</configuration>\n'
