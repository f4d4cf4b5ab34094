"""What is kept of an execution's steps: their records, and results that later executions may take over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from sagelab.cloud.engine.pipelines.run import PipelineRun
from sagelab.cloud.engine.pipelines.values import Record
from sagelab.cloud.resources.pipelines import RESULTS
from sagelab.cloud.resources.records import OWN
from sagelab.cloud.store import Document, Exists, Missing, Resource, Store


class Results:
    """The Keeper (engine/pipelines/steps.py) of one execution."""

    run: PipelineRun

    def __init__(self, store: Store, job: Document, watch: Callable[[str], None]) -> None:
        self.store, self.watch = store, watch
        self.arn, self.pipeline = job["PipelineExecutionArn"], job["PipelineArn"]

    def keep(self, records: dict[str, Record]) -> None:
        """Write down the steps; while the local cloud ends, nothing is written."""

        def edit(job: Document) -> None:
            job[OWN]["Steps"] = records
            job["LastModifiedTime"] = datetime.now(UTC)

        with suppress(Missing):
            self.store.change(self.arn, edit)

    def find(self, step: str, key: str, seconds: int | None) -> Record | None:
        try:
            found = self.store.get(self._place(step, key))
        except Missing:
            return None
        old = (datetime.now(UTC) - found["EndTime"]).total_seconds()
        return found if seconds is None or old <= seconds else None

    def remember(self, step: str, key: str, record: Record) -> None:
        place, now = self._place(step, key), datetime.now(UTC)
        facts = {"Place": place, "Arn": record["Arn"], "Execution": self.arn, "EndTime": now}
        facts |= {"Outputs": record["Outputs"]} if "Outputs" in record else {}
        try:
            self.store.add(Resource(place, RESULTS, place.split(":")[3], place, "", facts))
        except Exists:
            self.store.change(place, lambda found: found.update(facts))

    def _place(self, step: str, key: str) -> str:
        return f"{self.pipeline}/result/{step}/{key}"
