"""What a run is asked for: its script, and its arguments, of which some are Glue's own.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab.spark.emr.objects import fetch
from sagelab.spark.errors import BASE

CONFIG = BASE / "config/glue.json"
# What is read here and is not the script's.
OWN = (
    *("--extra-py-files", "--extra-files", "--extra-jars", "--additional-python-modules", "--conf"),
    *("--python-modules-installer-option", "--spark-event-logs-path", "--scriptLocation", "--job-language"),
)
_CONF = re.compile(r"\s*(?:--conf\s+)?(\S+?)=(.*?)(?=\s+--conf\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """command, job, run, version, bookmark: as the engine writes them (cloud/engine/glue/run.py)."""

    command: dict[str, str]
    job: str
    run: str
    version: str
    arguments: dict[str, str]
    bookmark: dict[str, Any]

    @property
    def shell(self) -> bool:
        return self.command["Name"] == "pythonshell"

    @property
    def words(self) -> list[str]:
        """What the script finds behind its name."""
        shown = {name: value for name, value in self.arguments.items() if name not in OWN}
        if not self.shell:
            own = {"--JOB_ID": f"j_{self.job}", "--JOB_RUN_ID": self.run, "--JOB_NAME": self.job}
            shown = {"--job-bookmark-option": "job-bookmark-disable"} | shown | own
        return [word for name, value in shown.items() for word in (name, value) if word]

    def files(self, name: str) -> list[str]:
        """The URIs of an argument that is a list."""
        return [one.strip() for one in self.arguments.get(name, "").split(",") if one.strip()]

    @property
    def configuration(self) -> dict[str, str]:
        """Spark's properties of --conf, which may name several."""
        return {name: value.strip() for name, value in _CONF.findall(self.arguments.get("--conf", ""))}

    def fetch_script(self) -> Path:
        """botocore's ClientError: it is not to be had."""
        place = self.command["ScriptLocation"]
        target = Path("/tmp", place.rpartition("/")[2])
        fetch(place, target)
        return target

    def environment(self, *folders: Path | str) -> dict[str, str]:
        """Of the script: what it imports is found in these folders, too."""
        before = os.environ.get("PYTHONPATH")
        return {**os.environ, "PYTHONPATH": ":".join([*map(str, folders), *([before] if before else [])])}


def read() -> Asked:
    return Asked(**json.loads(CONFIG.read_text()))
