"""The words of `spark-submit`: where it runs, what it is given, and the application from its script or jar on.

https://spark.apache.org/docs/latest/submitting-applications.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FLAGS = frozenset("--supervise --verbose -v --version --help -h --usage-error --load-spark-defaults".split())
MODES = ("client", "cluster")
MEMORY = re.compile(r"(\d{1,9})([kmgt]?)b?", re.IGNORECASE)
UNITS = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1 << 20, "": 1}
# Options that stand for a property.
PROPERTIES = {
    "--executor-memory": "spark.executor.memory",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
    "--driver-memory": "spark.driver.memory",
    "--driver-cores": "spark.driver.cores",
    "--archives": "spark.archives",
}


@dataclass
class Submission:
    """What spark-submit is told. options: names and values, without where it runs; "" of a flag.

    given: the properties among them. application: from the script or jar on.
    """

    mode: str = "client"
    options: list[tuple[str, str]] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    application: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The options as they are typed."""
        return [word for name, value in self.options for word in ([name] if name in FLAGS else [name, value])]


def parse(words: list[str]) -> Submission:
    """ValueError: a deploy mode that is none."""
    found = Submission()
    for name, value in _options(words, found):
        if name == "--master" or (name == "--conf" and value.startswith("spark.master=")):
            continue
        if name == "--deploy-mode" or (name == "--conf" and value.startswith("spark.submit.deployMode=")):
            found.mode = value.rpartition("=")[2] if name == "--conf" else value
            continue
        found.options.append((name, value))
        found.given.update(property_of(name, value))
    if found.mode not in MODES:
        raise ValueError(f'Error: --deploy-mode must be either "client" or "cluster", not "{found.mode}"')
    return found


def _options(words: list[str], found: Submission) -> Iterator[tuple[str, str]]:
    """Names and values, up to the application."""
    left = list(words)
    while left and left[0].startswith("-"):
        name, equal, value = left.pop(0).partition("=")
        name = "--conf" if name == "-c" else name
        if name in FLAGS:
            yield name, ""
        else:
            yield name, value if equal else (left.pop(0) if left else "")
    found.application = left


def property_of(name: str, value: str) -> dict[str, str]:
    """The property that an option sets, if it sets one."""
    if name == "--conf":
        key, _, content = value.partition("=")
        return {key: content}
    return {PROPERTIES[name]: value} if name in PROPERTIES else {}


def megabytes(text: str) -> float:
    """Of a size of Spark's; 0 where it is none."""
    found = MEMORY.fullmatch(text.strip())
    return int(found[1]) * UNITS[found[2].lower()] if found else 0.0
