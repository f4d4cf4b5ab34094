"""Athena's queries: started, looked at, stopped; what they found and what they read for it.

https://docs.aws.amazon.com/athena/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.lake.queries import SECONDS, QueryRun, Turns
from sagelab.cloud.resources import listing, query_results, workgroups
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.lake_sights import Sights
from sagelab.cloud.resources.workgroups import WorkGroups, refused
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND = "athena-query"
RUNNING = ("QUEUED", "RUNNING")
CATALOG = "awsdatacatalog"
NO_OUTPUT = (
    "No output location provided. An output location is required either through the Workgroup result configuration"
    " setting or as an API input."
)
KEPT = 45 * 86400  # seconds that the history has a query
# Queries that run or wait: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
ACTIVE = 200
TOO_MANY = (
    "You have exceeded the limit for the number of queries you can run concurrently. Please reduce the number of"
    " concurrent queries submitted by this account."
)


class Queries(Family):
    """The queries of one local cloud."""

    service = "athena"
    needs = (WorkGroups,)

    def __init__(self, cloud: Cloud, groups: WorkGroups) -> None:
        super().__init__(cloud)
        self._groups, self._turns = groups, Turns()
        self._runs: dict[str, QueryRun] = {}
        self._lock, self._closed = threading.Lock(), False
        for arn, _ in self.store.with_status(KIND, *RUNNING):
            self._report(arn, Step("FAILED", "The local cloud ended while the query was running."))

    @operation("StartQueryExecution")
    def start(self, call: Call) -> Params:
        params = call.params
        group = self._groups.find(call, params.get("WorkGroup", workgroups.PRIMARY))
        if group["State"] != "ENABLED":
            raise refused(f"WorkGroup {group['Name']} is disabled.")
        results = _results(params, group["Configuration"])
        _check(params)
        token = params.get("ClientRequestToken")
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{call.caller} {token}")) if token else str(uuid.uuid4())
        query = _document(call, key, group, results)
        asked = _asked(call, key, query, group)
        arn = _arn(call, key)
        if len(self._runs) >= ACTIVE:
            raise Beside("TooManyRequestsException", TOO_MANY)
        keys = self.cloud.lend(call.key, SECONDS)
        context = self.cloud.engine_context(call.region)
        sights = Sights(self.cloud, call.region, call.caller)
        run = QueryRun(asked, context, keys, self._turns, partial(self._report, arn), sights.answer)
        try:
            self.store.add(Resource(arn, KIND, call.region, key, "QUEUED", query))
        except Exists:
            if self.store.get(arn)["Query"] != params["QueryString"]:
                words = "Idempotent parameters do not match"
                raise refused(words) from None
            return {"QueryExecutionId": key}
        with self._lock:
            self._runs[arn] = run
            if self._closed:
                run.interrupt()
        run.start()
        return {"QueryExecutionId": key}

    @operation("GetQueryExecution")
    def get(self, call: Call) -> Params:
        return {"QueryExecution": _told(self._find(call, call.params["QueryExecutionId"]))}

    @operation("BatchGetQueryExecution")
    def get_many(self, call: Call) -> Params:
        found, missing = [], []
        for key in call.params["QueryExecutionIds"]:
            try:
                found.append(_told(self.store.get(_arn(call, key))))
            except Missing:
                words = {"ErrorCode": "INVALID_INPUT", "ErrorMessage": f"Query {key} was not found"}
                missing.append({"QueryExecutionId": key} | words)
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    @operation("ListQueryExecutions")
    def list_queries(self, call: Call) -> Params:
        name = call.params.get("WorkGroup", workgroups.PRIMARY)
        self._groups.find(call, name)
        oldest = datetime.now(UTC).timestamp() - KEPT
        found = [
            one["QueryExecutionId"]
            for one in self.store.documents(KIND, call.region)
            if one["WorkGroup"] == name and one["Status"]["SubmissionDateTime"].timestamp() > oldest
        ]
        return listing.page(call, "QueryExecutionIds", found, 50)

    @operation("StopQueryExecution")
    def stop(self, call: Call) -> Params:
        arn = _arn(call, call.params["QueryExecutionId"])
        self._find(call, call.params["QueryExecutionId"])
        with self._lock:
            run = self._runs.get(arn)
        if run is not None:
            run.stop()
        return {}

    @operation("GetQueryResults")
    def results(self, call: Call) -> Params:
        query = self._find(call, call.params["QueryExecutionId"])
        state = query["Status"]["State"]
        if state in RUNNING:
            raise refused(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise refused(f"Query did not finish successfully. Final query state: {state}")
        outcome = query["Outcome"]
        columns, kind = outcome["columns"], query.get("StatementType")
        metadata = {"ColumnInfo": columns}
        if outcome["manifest"]:
            results = {"Rows": [], "ResultSetMetadata": metadata}
            return {"ResultSet": results, "UpdateCount": outcome["rows"]}
        s3 = self.cloud.client_with(self.cloud.lend(call.key, 60), "s3", call.region)
        most = call.params.get("MaxResults", query_results.PAGE)
        found = query_results.page(s3, outcome["result"], columns, call.params.get("NextToken"), most)
        results = {"Rows": found["Rows"], "ResultSetMetadata": metadata}
        count = {} if kind != "DML" else {"UpdateCount": 0}
        return {"ResultSet": results, "NextToken": found.get("NextToken")} | count

    @operation("GetQueryRuntimeStatistics")
    def runtime(self, call: Call) -> Params:
        query = self._find(call, call.params["QueryExecutionId"])
        state, statistics = query["Status"]["State"], query.get("Statistics") or {}
        if state in RUNNING:
            raise refused(f"Query has not yet finished. Current state: {state}")
        names: tuple[str, ...] = (
            "QueryQueueTimeInMillis",
            "QueryPlanningTimeInMillis",
            "EngineExecutionTimeInMillis",
        )
        names += (
            "ServicePreProcessingTimeInMillis",
            "ServiceProcessingTimeInMillis",
            "TotalExecutionTimeInMillis",
        )
        rows = query.get("Outcome", {}).get("rows", 0)
        scanned = statistics.get("DataScannedInBytes", 0)
        return {
            "QueryRuntimeStatistics": {
                "Timeline": {name: statistics.get(name, 0) for name in names},
                "Rows": {"InputBytes": scanned, "OutputRows": rows},
            }
        }

    def close(self) -> None:
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()

    def _find(self, call: Call, key: str) -> Document:
        try:
            return self.store.get(_arn(call, key))
        except Missing:
            raise refused(f"QueryExecution {key} was not found") from None

    def _report(self, arn: str, step: Step) -> None:
        """A query has come to a step."""
        state = step.status.upper()
        ended = state not in RUNNING

        def edit(query: Document) -> str:
            status = query["Status"]
            if status["State"] in RUNNING:
                query |= {name: value for name, value in step.facts.items() if name != "AthenaError"}
                status["State"] = state
                status |= {"StateChangeReason": step.message} if step.message else {}
                status |= {"AthenaError": step.facts["AthenaError"]} if "AthenaError" in step.facts else {}
                if ended:
                    status["CompletionDateTime"] = datetime.now(UTC)
                    query["ResultConfiguration"] |= _place(query)
            return str(status["State"])

        try:
            query = self.store.change(arn, edit)
        except Missing:
            return
        if ended:
            with self._lock:
                self._runs.pop(arn, None)
            self._measure(arn, query)

    def _measure(self, arn: str, query: Document) -> None:
        """What CloudWatch is told of a query that has run to an end, where its workgroup says so.

        https://docs.aws.amazon.com/athena/latest/ug/query-metrics-viewing.html
        """
        statistics = query.get("Statistics") or {}
        if not query.get("Measured") or "TotalExecutionTimeInMillis" not in statistics or self._closed:
            return
        state, kind = query["Status"]["State"], query.get("StatementType", "DML")
        pairs = {"QueryState": state, "QueryType": kind, "WorkGroup": query["WorkGroup"]}
        dimensions = [{"Name": name, "Value": value} for name, value in pairs.items()]
        units = {
            "ProcessedBytes": ("DataScannedInBytes", "Bytes"),
            "EngineExecutionTime": ("EngineExecutionTimeInMillis", "Milliseconds"),
            "QueryQueueTime": ("QueryQueueTimeInMillis", "Milliseconds"),
            "QueryPlanningTime": ("QueryPlanningTimeInMillis", "Milliseconds"),
            "TotalExecutionTime": ("TotalExecutionTimeInMillis", "Milliseconds"),
        }
        data = [
            {"MetricName": name, "Dimensions": dimensions, "Value": statistics[of], "Unit": unit}
            for name, (of, unit) in units.items()
        ]
        region = arn.split(":")[3]
        self.cloud.client("cloudwatch", region).put_metric_data(Namespace="AWS/Athena", MetricData=data)


def _check(params: Params) -> None:
    """Beside: what nothing here honours."""
    reuse = (params.get("ResultReuseConfiguration") or {}).get("ResultReuseByAgeConfiguration") or {}
    if reuse.get("Enabled"):
        raise refused("ResultReuseConfiguration is not something the local cloud can do: every query is run.")
    if params.get("EngineConfiguration"):
        raise refused("EngineConfiguration is not something the local cloud can do.")
    catalog = (params.get("QueryExecutionContext") or {}).get("Catalog", CATALOG)
    if catalog.lower() != CATALOG:
        raise refused(f"Catalog {catalog} is not found: AwsDataCatalog is the one that is here.")


def _results(params: Params, group: Params) -> Params:
    """Where the results go and how they are kept: as the workgroup has it, where it enforces that, or is alone."""
    own, usual = params.get("ResultConfiguration") or {}, group.get("ResultConfiguration") or {}
    workgroups.check_results(own)
    found = dict(usual) if group["EnforceWorkGroupConfiguration"] else usual | own
    if not found.get("OutputLocation"):
        raise refused(NO_OUTPUT)
    if not found["OutputLocation"].endswith("/"):
        found["OutputLocation"] += "/"
    return found


def _asked(call: Call, key: str, query: Document, group: Document) -> Params:
    """What the host is told: a sagelab.lake.query.Request, but for its room."""
    results, configuration = query["ResultConfiguration"], group["Configuration"]
    encryption = results.get("EncryptionConfiguration") or {}
    put: dict[str, Any] = {}
    if encryption.get("EncryptionOption") == "SSE_S3":
        put = {"ServerSideEncryption": "AES256"}
    elif encryption.get("EncryptionOption") == "SSE_KMS":
        put = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption["KmsKey"]}
    if acl := (results.get("AclConfiguration") or {}).get("S3AclOption"):
        put["ACL"] = acl.lower().replace("_", "-")
    if owner := results.get("ExpectedBucketOwner"):
        put["ExpectedBucketOwner"] = owner
    return {
        "id": key,
        "sql": call.params["QueryString"],
        "database": query["QueryExecutionContext"].get("Database", "default").lower().strip("`"),
        "output": results["OutputLocation"],
        "workgroup": group["Name"],
        "parameters": call.params.get("ExecutionParameters") or [],
        "put": put,
        "cutoff": configuration.get("BytesScannedCutoffPerQuery"),
    }


def _document(call: Call, key: str, group: Document, results: Params) -> Document:
    return {
        "QueryExecutionId": key,
        "Query": call.params["QueryString"],
        "ResultConfiguration": results,
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": call.params.get("QueryExecutionContext") or {},
        "Status": {"State": "QUEUED", "SubmissionDateTime": datetime.now(UTC)},
        "Statistics": {"DataScannedInBytes": 0},
        "WorkGroup": group["Name"],
        "EngineVersion": group["Configuration"]["EngineVersion"],
        "Measured": group["Configuration"].get("PublishCloudWatchMetricsEnabled", False),
        **(
            {"ExecutionParameters": call.params["ExecutionParameters"]}
            if call.params.get("ExecutionParameters")
            else {}
        ),
    }


def _place(query: Document) -> Params:
    """The result's own place, once it is there."""
    found = query.get("Outcome", {}).get("result")
    base = query["ResultConfiguration"]["OutputLocation"]
    ending = {"DML": ".csv"}.get(query.get("StatementType", "DML"), ".txt")
    return {"OutputLocation": found or f"{base}{query['QueryExecutionId']}{ending}"}


def _told(query: Document) -> Params:
    found = {name: value for name, value in query.items() if name not in ("Outcome", "Measured")}
    if query["Status"]["State"] in RUNNING:
        found["ResultConfiguration"] = query["ResultConfiguration"] | _place(query)
    return found


def _arn(call: Call, key: str) -> str:
    return f"arn:aws:athena:{call.region}:{call.account}:query/{key}"


__all__ = ["Beside", "Queries"]
