"""One crawl: files of S3 are looked at with the crawler's role, and the catalogue's tables made after them.

https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sagelab.lake import errors, filesystem, grouping
from sagelab.lake.catalog import Asking, Catalog, Table
from sagelab.lake.classify import UNKNOWN, Found, classify
from sagelab.lake.filesystem import Files
from sagelab.lake.grouping import Folder, Layout
from sagelab.lake.objects import Objects, locate
from sagelab.lake.writes import SERDES

SAMPLE = 2  # files of a folder that are looked at
_OURS = "UPDATED_BY_CRAWLER"


class Crawl:
    """asked: the crawler, as GetCrawler has it, with memory and threads. say: a line of its log."""

    def __init__(self, asked: dict[str, Any], client: Callable[[str], Any], say: Callable[[str], None]) -> None:
        self.asked, self.say = asked, say
        self.objects = Objects(client("s3"))
        self.catalog = Catalog(client("glue"))
        self.files = Files(self.objects)
        self.connection = filesystem.connect(self.files, asked["memory"], asked["threads"])
        self.configuration = json.loads(asked.get("Configuration") or "{}")
        self.counts: Counter[str] = Counter()
        self._number = 0

    @property
    def database(self) -> str:
        return str(self.asked["DatabaseName"])

    def run(self) -> dict[str, int]:
        """How many tables and partitions were made, changed and removed. QueryFault: it cannot go on."""
        self.say(f"BENCHMARK : Running Start Crawl for Crawler {self.asked['Name']}")
        self._check_database()
        seen: set[str] = set()
        for target in self.asked["Targets"].get("S3Targets") or ():
            layouts = list(self._layouts(target))
            self.say(f"BENCHMARK : Classification complete, writing results to database {self.database}")
            for layout in layouts:
                seen.add(self._keep(layout, target))
            self._forget(target, seen)
        self.say("BENCHMARK : Finished writing to Catalog")
        for what in ("PARTITION", "TABLE"):
            done = {kind: self.counts[f"{kind} {what}"] for kind in ("ADD", "UPDATE", "DELETE")}
            if any(done.values()):
                self.say(f"INFO : Run Summary For {what}:")
                for kind, count in done.items():
                    if count:
                        self.say(f"INFO : {kind}: {count}")
        return dict(self.counts)

    def _check_database(self) -> None:
        try:
            self.catalog.database(self.database)
        except errors.QueryFault as fault:
            if fault.kind != errors.NO_TABLE:
                raise
            with Asking(self.database):
                self.catalog.glue.create_database(DatabaseInput={"Name": self.database})

    # What there is

    def _layouts(self, target: dict[str, Any]) -> Iterator[Layout]:
        bucket, prefix = locate(target["Path"])
        listed = list(self.objects.data(f"s3://{bucket}/{prefix}"))
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        patterns = target.get("Exclusions") or []
        kept = [one for one in listed if not grouping.excluded(one.key[len(prefix) :], patterns)]
        top = grouping.tree(kept, prefix)
        for folder in top.walk():
            folder.found = self._look(folder, target.get("SampleSize") or SAMPLE)
        grouped = self.configuration.get("Grouping") or {}
        combine = grouped.get("TableGroupingPolicy") == "CombineCompatibleSchemas"
        level = grouped.get("TableLevelConfiguration")
        for layout in grouping.tables(top, combine, level):
            if not layout.root.path:
                layout.root.path = ""
            layout.found.size = max(1, layout.found.size)
            yield layout

    def _look(self, folder: Folder, most: int) -> Found | None:
        """What the files of a folder are: the first, and those spread over the rest."""
        if not folder.objects:
            return None
        step = max(1, len(folder.objects) // most)
        found: Found | None = None
        for one in folder.objects[::step][:most]:
            self._number += 1
            address = self.files.add(f"c{self._number}", [], one)
            made = classify(self.connection, self.files, address, one)
            if made.classification == UNKNOWN:
                self.say(f"WARN : Classification of {one.uri} is UNKNOWN")
                continue
            if found is not None and not found.is_like(made) and found.classification != made.classification:
                self.say(f"WARN : {one.uri} is {made.classification} among files that are {found.classification}")
                continue
            found = found.merged(made) if found else made
        return found

    # What the catalogue has of it

    def _keep(self, layout: Layout, target: dict[str, Any]) -> str:
        """Make or change the table of a layout; its location."""
        bucket = locate(target["Path"])[0]
        location = f"s3://{bucket}/{layout.root.path}"
        name = self._name(layout, bucket, location)
        before = self.catalog.find(self.database, name)
        made = self._input(name, layout, location)
        if before is None:
            with Asking(self.database):
                self.catalog.glue.create_table(DatabaseName=self.database, TableInput=made)
            self.counts["ADD TABLE"] += 1
            self.say(f"INFO : Created table {name} in database {self.database}")
        else:
            self._change(before, made)
        table = Table(made | {"DatabaseName": self.database})
        self._partition(table, layout, bucket, before is not None)
        return location

    def _name(self, layout: Layout, bucket: str, location: str) -> str:
        """The folder's name; where another table has it, with a hash of its place."""
        plain = re.sub(r"[^0-9a-z_]", "_", (layout.root.name or bucket).lower())
        if "=" in layout.root.name:
            plain = re.sub(r"[^0-9a-z_]", "_", layout.root.name.lower())
        name = f"{self.asked.get('TablePrefix') or ''}{plain}".lower()
        there = self.catalog.find(self.database, name)
        if there is None or there.location.rstrip("/") == location.rstrip("/"):
            return name
        return f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"

    def _change(self, before: Table, made: dict[str, Any]) -> None:
        """A table that is there, after what was found now."""
        old = {name: str(kind) for name, kind in before.columns}
        new = {one["Name"]: one["Type"] for one in made["StorageDescriptor"]["Columns"]}
        output = (self.configuration.get("CrawlerOutput") or {}).get("Tables") or {}
        if output.get("AddOrUpdateBehavior") == "MergeNewColumns":
            merged = old | {name: kind for name, kind in new.items() if name not in old}
            made["StorageDescriptor"]["Columns"] = [{"Name": name, "Type": kind} for name, kind in merged.items()]
            new = merged
        same = old == new and [name for name, _ in before.keys] == [one["Name"] for one in made["PartitionKeys"]]
        policy = (self.asked.get("SchemaChangePolicy") or {}).get("UpdateBehavior", "UPDATE_IN_DATABASE")
        if not same and policy == "LOG":
            self.say(f"INFO : Schema of table {before.name} has changed; it is not updated (UpdateBehavior LOG)")
            made["StorageDescriptor"]["Columns"] = before.storage.get("Columns") or []
            made["PartitionKeys"] = before.found.get("PartitionKeys") or []
        kept = before.as_input()
        changed = kept | made | {"Parameters": before.parameters | made["Parameters"]}
        changed["Parameters"].pop("DEPRECATED_BY_CRAWLER", None)
        with Asking(self.database):
            self.catalog.glue.update_table(DatabaseName=self.database, TableInput=changed)
        if not same and policy != "LOG":
            self.counts["UPDATE TABLE"] += 1
            self.say(f"INFO : Updated table {before.name} in database {self.database}")

    def _input(self, name: str, layout: Layout, location: str) -> dict[str, Any]:
        found, objects = layout.found, layout.objects
        size = sum(one.size for one in objects)
        average = max(1, found.size // max(1, found.rows))
        parameters = {
            _OURS: str(self.asked["Name"]),
            "CrawlerSchemaSerializerVersion": "1.0",
            "CrawlerSchemaDeserializerVersion": "1.0",
            "classification": found.classification,
            "compressionType": found.compression,
            "typeOfData": "file",
            "objectCount": str(len(objects)),
            "sizeKey": str(size),
            "recordCount": str(max(found.rows if size <= found.size else size // average, 0)),
            "averageRecordSize": str(average),
        }
        if found.classification == "csv":
            parameters |= {"delimiter": found.delimiter, "columnsOrdered": "true", "areColumnsQuoted": "false"}
            parameters |= {"skip.header.line.count": "1"} if found.header else {}
        storage = _storage(found, location, parameters)
        keys = [{"Name": key, "Type": "string"} for key in layout.keys]
        table = {"Name": name, "Owner": "owner", "Retention": 0, "TableType": "EXTERNAL_TABLE"}
        return table | {"Parameters": parameters, "StorageDescriptor": storage, "PartitionKeys": keys}

    # Partitions

    def _partition(self, table: Table, layout: Layout, bucket: str, is_old: bool) -> None:
        if not layout.keys or len(table.keys) != len(layout.keys):
            return
        there = {tuple(map(str, one["Values"])) for one in self.catalog.partitions(table)} if is_old else set()
        only_new = (self.asked.get("RecrawlPolicy") or {}).get("RecrawlBehavior") == "CRAWL_NEW_FOLDERS_ONLY"
        new = {values: folder for values, folder in layout.partitions.items() if values not in there}
        made = [(list(values), f"s3://{bucket}/{folder.path}") for values, folder in new.items()]
        self.catalog.add_partitions(table, made, lenient=True)
        self.counts["ADD PARTITION"] += len(made)
        gone = there - set(layout.partitions)
        if (
            only_new
            or (self.asked.get("SchemaChangePolicy") or {}).get("DeleteBehavior") != "DELETE_FROM_DATABASE"
        ):
            return
        for values in gone:
            with Asking(self.database):
                self.catalog.glue.delete_partition(
                    DatabaseName=self.database, TableName=table.name, PartitionValues=list(values)
                )
        self.counts["DELETE PARTITION"] += len(gone)

    def _forget(self, target: dict[str, Any], seen: set[str]) -> None:
        """What is to become of this crawler's tables whose files are gone."""
        bucket, prefix = locate(target["Path"])
        start = f"s3://{bucket}/{prefix}".rstrip("/")
        policy = (self.asked.get("SchemaChangePolicy") or {}).get("DeleteBehavior", "DEPRECATE_IN_DATABASE")
        for table in list(self.catalog.tables(self.database)):
            own = table.parameters.get(_OURS) == self.asked["Name"] and table.location.startswith(start)
            if not own or table.location in seen or "DEPRECATED_BY_CRAWLER" in table.parameters:
                continue
            if policy == "DELETE_FROM_DATABASE":
                with Asking(self.database):
                    self.catalog.glue.delete_table(DatabaseName=self.database, Name=table.name)
                self.counts["DELETE TABLE"] += 1
                self.say(f"INFO : Deleted table {table.name} in database {self.database}")
            elif policy == "DEPRECATE_IN_DATABASE":
                kept = table.as_input()
                kept["Parameters"] = table.parameters | {"DEPRECATED_BY_CRAWLER": str(int(time.time() * 1000))}
                with Asking(self.database):
                    self.catalog.glue.update_table(DatabaseName=self.database, TableInput=kept)
                self.counts["DELETE TABLE"] += 1
                self.say(f"INFO : Deprecated table {table.name} in database {self.database}")
            else:
                self.say(f"INFO : The files of table {table.name} are gone; it is kept (DeleteBehavior LOG)")


def _storage(found: Found, location: str, parameters: dict[str, str]) -> dict[str, Any]:
    """The StorageDescriptor of a table of such files."""
    serde: dict[str, str] = {"serialization.format": "1"}
    library, given, taken = SERDES[{"csv": "TEXTFILE", "json": "JSON"}.get(found.classification, "PARQUET")]
    if found.classification == "csv":
        serde = {"field.delim": found.delimiter}
    elif found.classification == "json":
        library, serde = "org.openx.data.jsonserde.JsonSerDe", {"paths": ",".join(found.columns)}
    return {
        "Columns": [{"Name": column, "Type": str(kind)} for column, kind in found.columns.items()],
        "Location": location,
        "InputFormat": given,
        "OutputFormat": taken,
        "Compressed": found.compression != "none",
        "NumberOfBuckets": -1,
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": serde},
        "StoredAsSubDirectories": False,
        "Parameters": parameters,
    }
