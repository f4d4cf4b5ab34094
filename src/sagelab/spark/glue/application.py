"""A script of glueetl's as an application of Spark's, on one host or several."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from sagelab.spark import events, java
from sagelab.spark.__main__ import Job
from sagelab.spark.configuration import Configuration
from sagelab.spark.errors import BASE, ApplicationError
from sagelab.spark.glue.arguments import Asked
from sagelab.spark.options import Submission

LIBRARY = BASE / "glue"
SCRIPT = Path(__file__).with_name("script.py")
BOOKMARK = LIBRARY / "bookmark.json"
LISTS = {"py-files": "--extra-py-files", "files": "--extra-files", "jars": "--extra-jars"}
OLDER = ("3", "4", "5")  # versions of Glue whose Spark casts what cannot be cast to null

Run = Callable[[list[str], dict[str, str]], int]


class Application(Job):
    """run: a program in an environment, to its exit code."""

    def __init__(self, asked: Asked, run: Run) -> None:
        self._asked, self._run = asked, run
        lists = {name: asked.files(own) for name, own in LISTS.items()}
        lists = {name: files for name, files in lists.items() if files}
        super().__init__(Submission(("",), lists))

    def run(self) -> None:
        """As the first host or as another. ApplicationError: it fails."""
        user = Configuration(defaults=self._asked.configuration)
        if self.own == self.first:
            BOOKMARK.write_text(json.dumps(self._asked.bookmark))
            self._lead(user)
        else:
            self._follow(user)

    def _properties(self) -> dict[str, str]:
        own = {"spark.executorEnv.PYTHONPATH": str(LIBRARY), "spark.app.name": self._asked.job}
        if self._asked.version[:1] in OLDER:
            own["spark.sql.ansi.enabled"] = "false"
        return super()._properties() | own

    def _log_events(self, stack: contextlib.ExitStack) -> dict[str, str]:
        place = self._asked.arguments.get("--spark-event-logs-path")
        if not place:
            return {}
        return events.properties(str(stack.enter_context(events.Uploader(place)).source))

    def _submit(self, settings: java.Settings) -> None:
        script = self._asked.fetch_script()
        target = settings.folder / "runscript.py"
        shutil.copyfile(SCRIPT, target)
        words = [word for word in self.submission.command(self._master)[3:] if word]
        words += [str(target), "spark", str(script), *self._asked.words]
        environment = settings.environment | self._asked.environment(LIBRARY, settings.folder / "formats")
        code = self._run(java.driver(settings, self._master, words), environment)
        if code:
            cause = subprocess.CalledProcessError(code, str(script))
            raise ApplicationError("the script failed", cause, code)
