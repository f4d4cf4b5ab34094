"""QuickSight's ingestions: the query of a data set is run by Athena, and SPICE keeps what it answers.

It is run with the rights of who asks for it: IAM, Lake Formation and S3 decide as of that one's own query.
https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateIngestion.html
"""

from __future__ import annotations

import logging
import math
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.ingestion_rows import CANCELLED, SECONDS, Failed, Rows, failed, run, sql_of
from sagelab.cloud.resources.quicksight_rules import DATA, INGESTION, answer, arn_of, bad, check, missing, taken
from sagelab.cloud.store import Document, Exists, Missing, Resource

_log = logging.getLogger("sagelab")
AT_ONCE = 2
GOING = ("INITIALIZED", "QUEUED", "RUNNING")
INCREMENTAL = "IngestionType INCREMENTAL_REFRESH is not something the local cloud can do: FULL_REFRESH is."
GONE = {"Type": "INTERNAL_SERVICE_ERROR", "Message": "The local cloud ended while the ingestion was running."}


class Ingestions(Family):
    """Those of one local cloud, and the threads that run them."""

    service = "quicksight"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._pool, self._ending = ThreadPoolExecutor(AT_ONCE, "quicksight"), threading.Event()
        self._cancelled: dict[str, threading.Event] = {}
        for arn, _ in self.store.with_status(INGESTION, *GOING):
            self._change(arn, "FAILED", {"ErrorInfo": GONE})

    def close(self) -> None:
        self._ending.set()
        for event in list(self._cancelled.values()):
            event.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @operation("CreateIngestion")
    def create(self, call: Call) -> Params:
        check(call, "DataSetId", "IngestionId", "IngestionType")
        if call.params.get("IngestionType", "FULL_REFRESH") != "FULL_REFRESH":
            raise bad(INCREMENTAL)
        made = self.start(call, self._data(call), "FULL_REFRESH", call.params["IngestionId"])
        told = {name: made[name] for name in ("Arn", "IngestionId", "IngestionStatus")}
        return answer(201, **told)

    @operation("DescribeIngestion")
    def describe(self, call: Call) -> Params:
        check(call, "DataSetId", "IngestionId")
        return answer(Ingestion=self._find(call))

    @operation("ListIngestions")
    def list_ingestions(self, call: Call) -> Params:
        check(call, "DataSetId", "NextToken", "MaxResults")
        start = f"{self._data(call)['Arn']}/"
        found = [one for one in self.store.documents(INGESTION, call.region) if one["Arn"].startswith(start)]
        return answer(**listing.page(call, "Ingestions", found, 100))

    @operation("CancelIngestion")
    def cancel(self, call: Call) -> Params:
        check(call, "DataSetId", "IngestionId")
        found = self._find(call)
        if event := self._cancelled.get(found["Arn"]):
            event.set()
        return answer(Arn=found["Arn"], IngestionId=found["IngestionId"])

    def start(self, call: Call, data: Document, kind: str, key: str = "") -> Document:
        """The ingestion of a data set, which waits for its turn. ResourceExistsException: it is there."""
        key = key or str(uuid.uuid4())
        arn = f"{data['Arn']}/ingestion/{key}"
        document = {
            "Arn": arn,
            "IngestionId": key,
            "IngestionStatus": "INITIALIZED",
            "CreatedTime": datetime.now(UTC),
            "RequestSource": "MANUAL",
            "RequestType": kind,
        }
        keys = self.cloud.lend(call.key, SECONDS)
        try:
            self.store.add(Resource(arn, INGESTION, call.region, key, "INITIALIZED", document))
        except Exists:
            raise taken("Ingestion", key) from None
        self._cancelled[arn] = threading.Event()
        athena = self.cloud.client_with(keys, "athena", call.region)
        with suppress(RuntimeError):  # it ends
            self._pool.submit(self._run, arn, data, athena)
        return document

    def forget(self, data: str) -> None:
        """A data set is gone, with its rows and what is known of its ingestions."""
        for arn, event in list(self._cancelled.items()):
            if arn.startswith(f"{data}/"):
                event.set()
        region = data.split(":")[3]
        for one in list(self.store.documents(INGESTION, region)):
            if one["Arn"].startswith(f"{data}/"):
                with suppress(Missing):
                    self.store.remove(one["Arn"])
        self.cloud.spice.remove(data)

    def _data(self, call: Call) -> Document:
        name = call.params["DataSetId"]
        try:
            return self.store.get(arn_of(call, DATA, name))
        except Missing:
            raise missing("DataSet", name) from None

    def _find(self, call: Call) -> Document:
        key = call.params["IngestionId"]
        try:
            return self.store.get(f"{self._data(call)['Arn']}/ingestion/{key}")
        except Missing:
            raise missing("Ingestion", key) from None

    def _run(self, arn: str, data: Document, athena: Any) -> None:
        event, began = self._cancelled[arn], datetime.now(UTC)
        facts: Document = {}
        try:
            if event.is_set():
                raise Failed(CANCELLED, "The ingestion was cancelled.")
            self._change(arn, "RUNNING")
            facts, state = self._take(data, athena, event), "COMPLETED"
        except Failed as error:
            state = "CANCELLED" if error.kind == CANCELLED else "FAILED"
            facts["ErrorInfo"] = {"Type": error.kind, "Message": str(error)}
        except botocore.exceptions.ClientError as error:
            why = failed(error.response["Error"]["Message"], error.response["Error"]["Code"])
            state, facts["ErrorInfo"] = "FAILED", {"Type": why.kind, "Message": str(why)}
        except Exception as error:
            _log.exception("%s failed", arn)
            state, facts["ErrorInfo"] = "FAILED", {"Type": "INTERNAL_SERVICE_ERROR", "Message": str(error)[:1000]}
        if self._ending.is_set() and state == "CANCELLED":
            state, facts["ErrorInfo"] = "FAILED", GONE
        facts["IngestionTimeInSeconds"] = math.ceil((datetime.now(UTC) - began).total_seconds())
        self._cancelled.pop(arn, None)
        self._change(arn, state, facts)

    def _take(self, data: Document, athena: Any, over: threading.Event) -> Document:
        """What is told of it. Failed: it fails, and the rows that were there before stay."""
        ((table,),) = [list(one.values()) for one in data["PhysicalTableMap"].values()]
        try:
            source = self.store.get(table["DataSourceArn"])
        except Missing:
            raise Failed("DATA_SOURCE_NOT_FOUND", f"DataSource {table['DataSourceArn']} is not found") from None
        query = run(athena, sql_of(table), source["DataSourceParameters"]["AthenaParameters"]["WorkGroup"], over)
        columns = [(one["Name"], one["Type"]) for one in data["OutputColumns"]]
        rows = Rows(athena, query["QueryExecutionId"], columns, over)
        facts = {"query": query["QueryExecutionId"], "at": datetime.now(UTC).isoformat()}
        size = self.cloud.spice.write(data["Arn"], columns, rows, facts)
        if over.is_set():  # and the data set may be gone
            raise Failed(CANCELLED, "The ingestion was cancelled.")
        with suppress(Missing):
            self.store.change(data["Arn"], partial(_measure, size=size))
        total = rows.counts["ingested"]
        counts = {"RowsIngested": total, "RowsDropped": rows.counts["dropped"], "TotalRowsInDataset": total}
        return {"RowInfo": counts, "IngestionSizeInBytes": size}

    def _change(self, arn: str, state: str, facts: Document | None = None) -> None:
        """Its status, unless it has ended."""

        def edit(document: Document) -> str:
            if document["IngestionStatus"] in GOING:
                document |= {"IngestionStatus": state, **(facts or {})}
            return str(document["IngestionStatus"])

        with suppress(Missing):
            self.store.change(arn, edit)


def _measure(document: Document, size: int) -> None:
    document["ConsumedSpiceCapacityInBytes"] = size
