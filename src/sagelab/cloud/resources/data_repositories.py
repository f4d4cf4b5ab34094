"""FSx for Lustre and S3: what is linked to a file system, and what is brought in, given back or released by hand.

https://docs.aws.amazon.com/fsx/latest/LustreGuide/data-repository-tasks.html
"""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.filesystems import repositories
from sagelab.cloud.engine.filesystems.repositories import Failed, Moved, Repository
from sagelab.cloud.resources import file_system_rules, listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.file_system_rules import bad
from sagelab.cloud.resources.file_systems import OWN, FileSystems, new_id, read_tags
from sagelab.cloud.store import Document, Missing, Resource

ASSOCIATION, TASK = "fsx-association", "fsx-task"
CREATING, AVAILABLE, MISCONFIGURED = "CREATING", "AVAILABLE", "MISCONFIGURED"
PENDING, EXECUTING, SUCCEEDED, FAILED = "PENDING", "EXECUTING", "SUCCEEDED", "FAILED"
EXPORT, IMPORT, RELEASE = "EXPORT_TO_REPOSITORY", "IMPORT_METADATA_FROM_REPOSITORY", "RELEASE_DATA_FROM_FILESYSTEM"
MOST = 8  # associations of a file system


class DataRepositories(Family):
    """The associations and tasks of one local cloud's file systems."""

    service = "fsx"
    needs = (FileSystems,)

    def __init__(self, cloud: Cloud, systems: FileSystems) -> None:
        super().__init__(cloud)
        self.systems = systems
        for _, document in self.store.with_status(ASSOCIATION, CREATING):
            systems.later(self._finish, document)
        for _, document in self.store.with_status(TASK, PENDING, EXECUTING):
            systems.later(self._execute, document)

    # Associations

    @operation("CreateDataRepositoryAssociation")
    def create(self, call: Call) -> Params:
        params, system = call.params, self.systems.find(call, call.params["FileSystemId"])
        if system["LustreConfiguration"]["DeploymentType"] == "SCRATCH_1":
            raise bad("A file system of SCRATCH_1 has no data repository associations: give it an ImportPath.")
        if (params.get("S3") or {}).get("AutoExportPolicy", {}).get("Events"):
            raise bad("AutoExportPolicy is not something the local cloud can do: use EXPORT_TO_REPOSITORY tasks.")
        uri, path = params["DataRepositoryPath"], _folder(params.get("FileSystemPath", "/"))
        file_system_rules.check_bucket(uri, self.cloud, call.region, "BadRequest")
        linked = [one for one in self._of(call.region) if one["FileSystemId"] == system["FileSystemId"]]
        self._check_apart(linked, system, uri, path)
        name = new_id("dra")
        arn = f"arn:aws:fsx:{call.region}:{call.account}:association/{system['FileSystemId']}/{name}"
        document: Params = {
            "AssociationId": name,
            "ResourceARN": arn,
            "FileSystemId": system["FileSystemId"],
            "Lifecycle": CREATING,
            "FileSystemPath": f"/{path}",
            "DataRepositoryPath": uri,
            "BatchImportMetaDataOnCreate": params.get("BatchImportMetaDataOnCreate", False),
            "ImportedFileChunkSize": params.get("ImportedFileChunkSize", 1024),
            "S3": params.get("S3") or {},
            "CreationTime": datetime.now(UTC),
            OWN: {"Region": call.region},
        }
        self.store.add(Resource(arn, ASSOCIATION, call.region, name, CREATING, document), read_tags(params))
        self.systems.later(self._finish, document)
        return {"Association": self.systems.told(document)}

    def _check_apart(self, linked: list[Document], system: Document, uri: str, path: str) -> None:
        """Beside: what is linked already would overlap."""
        if len(linked) >= MOST:
            raise Beside("ServiceLimitExceeded", f"A file system has {MOST} data repository associations at most.")
        if "DataRepositoryConfiguration" in system["LustreConfiguration"]:
            raise bad("A file system with an ImportPath has no data repository associations.")
        for one in linked:
            other = one["FileSystemPath"].strip("/")
            if repositories.is_below(path, other) or repositories.is_below(other, path):
                raise bad(
                    f"FileSystemPath /{path} overlaps with {one['FileSystemPath']} of {one['AssociationId']}."
                )
            if one["DataRepositoryPath"].rstrip("/") == uri.rstrip("/"):
                raise bad(f"{uri} is linked by {one['AssociationId']} already.")

    def _finish(self, document: Document) -> None:
        trouble = ""
        if document["BatchImportMetaDataOnCreate"]:
            s3 = self.cloud.client("s3", document[OWN]["Region"])
            try:
                repositories.take_over(
                    self.cloud.shares, document["FileSystemId"], s3, _repository(document), repositories.ALL
                )
            except Failed as error:
                trouble = str(error)

        def edit(found: Document) -> str:
            found["Lifecycle"] = MISCONFIGURED if trouble else AVAILABLE
            if trouble:
                found["FailureDetails"] = {"Message": trouble}
            return str(found["Lifecycle"])

        with suppress(Missing):
            self.store.change(document["ResourceARN"], edit)

    def _of(self, region: str) -> list[Document]:
        return list(self.store.documents(ASSOCIATION, region))

    def _find(self, call: Call) -> Document:
        name = call.params["AssociationId"]
        found = next((one for one in self._of(call.region) if one["AssociationId"] == name), None)
        if found is None:
            raise Beside(
                "DataRepositoryAssociationNotFound", f"Data repository association '{name}' does not exist."
            )
        return found

    @operation("DescribeDataRepositoryAssociations")
    def describe(self, call: Call) -> Params:
        names = call.params.get("AssociationIds")
        found = [one for one in self._of(call.region) if not names or one["AssociationId"] in names]
        for each in call.params.get("Filters") or []:
            if each.get("Name") == "file-system-id":
                found = [one for one in found if one["FileSystemId"] in each.get("Values", [])]
        return listing.page(call, "Associations", [self.systems.told(one) for one in found], 25)

    @operation("UpdateDataRepositoryAssociation")
    def update(self, call: Call) -> Params:
        document, asked = self._find(call), call.params.get("S3") or {}
        if asked.get("AutoExportPolicy", {}).get("Events"):
            raise bad("AutoExportPolicy is not something the local cloud can do: use EXPORT_TO_REPOSITORY tasks.")

        def edit(found: Document) -> None:
            found["S3"] |= asked

        return {"Association": self.systems.told(self.store.change(document["ResourceARN"], edit))}

    @operation("DeleteDataRepositoryAssociation")
    def delete(self, call: Call) -> Params:
        document, clear = self._find(call), call.params.get("DeleteDataInFileSystem", False)
        self.store.remove(document["ResourceARN"])
        repositories.forget(self.cloud.shares, document["FileSystemId"], _repository(document), delete=clear)
        return {
            "AssociationId": document["AssociationId"],
            "Lifecycle": "DELETING",
            "DeleteDataInFileSystem": clear,
        }

    # Tasks

    @operation("CreateDataRepositoryTask")
    def start(self, call: Call) -> Params:
        params, system = call.params, self.systems.find(call, call.params["FileSystemId"])
        if params["Type"] not in (EXPORT, IMPORT, RELEASE):
            raise bad(f"{params['Type']} is not something the local cloud can do.")
        self._check_report(call)
        if not self._linked(system):
            raise bad(f"File system '{system['FileSystemId']}' is not linked to a data repository.")
        name = new_id("task")
        arn = f"arn:aws:fsx:{call.region}:{call.account}:task/{name}"
        document: Params = {
            "TaskId": name,
            "ResourceARN": arn,
            "Lifecycle": PENDING,
            "Type": params["Type"],
            "CreationTime": datetime.now(UTC),
            "FileSystemId": system["FileSystemId"],
            "Paths": [f"/{_folder(path)}" for path in params.get("Paths") or ["/"]],
            "Report": params["Report"],
            OWN: {"Region": call.region},
        }
        self.store.add(Resource(arn, TASK, call.region, name, PENDING, document), read_tags(params))
        self.systems.later(self._execute, document)
        return {"DataRepositoryTask": self.systems.told(document)}

    def _check_report(self, call: Call) -> None:
        report = call.params["Report"]
        if not report["Enabled"]:
            return
        if report.get("Scope") != "FAILED_FILES_ONLY" or report.get("Format") != "REPORT_CSV_20191124":
            raise bad("An enabled Report has Scope FAILED_FILES_ONLY and Format REPORT_CSV_20191124.")
        file_system_rules.check_bucket(report.get("Path", ""), self.cloud, call.region, "BadRequest")

    def _linked(self, system: Document) -> list[Repository]:
        """Where a file system's data comes from."""
        config = system["LustreConfiguration"].get("DataRepositoryConfiguration", {})
        found = [Repository(file_system_rules.place(config["ImportPath"]))] if config else []
        region = system[OWN]["Region"]
        own = [one for one in self._of(region) if one["FileSystemId"] == system["FileSystemId"]]
        return found + [_repository(one) for one in own]

    def _execute(self, document: Document) -> None:
        arn, region = document["ResourceARN"], document[OWN]["Region"]
        total, more = Moved(), Params()
        with suppress(Missing):
            self.store.change(arn, lambda found: _step(found, EXECUTING, StartTime=datetime.now(UTC)))
            try:
                system = self.store.get(arn.replace(f"task/{document['TaskId']}", _system(document)))
                for path in document["Paths"]:
                    self._move(document["Type"], system, path.strip("/"), total)
                self._report(document, total, self.cloud.client("s3", region))
                status = FAILED if total.failed and not total.count else SUCCEEDED
            except (Failed, OSError, botocore.exceptions.ClientError) as error:
                status, more = FAILED, {"FailureDetails": {"Message": str(error)}}
            now = datetime.now(UTC)
            counts = {"SucceededCount": total.count, "FailedCount": len(total.failed), "LastUpdatedTime": now}
            more |= {"Status": counts | {"TotalCount": total.count + len(total.failed)}, "EndTime": now}
            self.store.change(arn, lambda found: _step(found, status, **more))

    def _move(self, what: str, system: Document, below: str, total: Moved) -> None:
        shares, name = self.cloud.shares, system["FileSystemId"]
        s3, config = self.cloud.client("s3", system[OWN]["Region"]), system["LustreConfiguration"]
        export = config.get("DataRepositoryConfiguration", {}).get("ExportPath")
        for repository in self._linked(system):
            if what == IMPORT:
                moved = repositories.take_over(shares, name, s3, repository, repositories.ALL, below)
            elif what == RELEASE:
                moved = repositories.release(shares, name, below)
            else:
                target = Repository(file_system_rules.place(export)) if export else repository
                moved = repositories.export(shares, name, s3, target, below)
            total.count, total.size = total.count + moved.count, total.size + moved.size
            total.failed |= moved.failed
            if what == RELEASE:
                return

    def _report(self, document: Document, total: Moved, s3: Any) -> None:
        if not document["Report"]["Enabled"] or not total.failed:
            return
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["FilePath", "FileStatus", "ErrorCode"])
        rows.writerows([file, "failed", why] for file, why in total.failed.items())
        place = file_system_rules.place(document["Report"]["Path"]).join(document["TaskId"], "failures.csv")
        s3.put_object(Bucket=place.bucket, Key=place.key, Body=text.getvalue().encode())

    @operation("DescribeDataRepositoryTasks")
    def tasks(self, call: Call) -> Params:
        found = list(self.store.documents(TASK, call.region))
        if names := call.params.get("TaskIds"):
            missing = set(names) - {one["TaskId"] for one in found}
            if missing:
                words = f"Data repository task '{min(missing)}' does not exist."
                raise Beside("DataRepositoryTaskNotFound", words)
            found = [one for one in found if one["TaskId"] in names]
        for each in call.params.get("Filters") or []:
            member = {"file-system-id": "FileSystemId", "task-lifecycle": "Lifecycle"}.get(each.get("Name", ""))
            if member:
                found = [one for one in found if one[member] in each.get("Values", [])]
        return listing.page(call, "DataRepositoryTasks", [self.systems.told(one) for one in found], 25)


def _system(document: Document) -> str:
    return f"file-system/{document['FileSystemId']}"


def _step(found: Document, status: str, **facts: Any) -> str:
    found |= facts | {"Lifecycle": status}
    return status


def _repository(association: Document) -> Repository:
    place = file_system_rules.place(association["DataRepositoryPath"])
    return Repository(place, association["FileSystemPath"].strip("/"))


def _folder(path: str) -> str:
    """A path of a file system without slashes at its ends; "" of the root. Beside: it leads elsewhere."""
    parts = PurePosixPath(path.strip("/")).parts
    if ".." in parts or "\0" in path:
        raise bad(f"{path!r} is no path of a file system.")
    return "/".join(parts)
