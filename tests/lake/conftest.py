"""The engine's own modules, with DuckDB and sqlglot beside this Python's packages, as its hosts have them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab import lake
from sagelab.cloud.engine.images.environments import LAKE, Environments
from tests.conftest import LocalCloud

PROGRAMS = ("__main__", "warm")


@pytest.fixture(scope="session")
def room(cloud: LocalCloud) -> SimpleNamespace:
    """room.ddl is the module sagelab.lake.ddl: what it needs is not there yet while tests are collected."""
    environments = Environments(cloud.home.environments)
    environments.pull(LAKE)
    sys.path.append(str(environments.packages(LAKE)))
    names = [module.name for module in pkgutil.iter_modules(lake.__path__) if module.name not in PROGRAMS]
    return SimpleNamespace(**{name: importlib.import_module(f"{lake.__name__}.{name}") for name in names})


class Shelf:
    """A bucket, and what a query has of it. place: a DuckDB that sees objects it is given, no other file."""

    def __init__(self, room: SimpleNamespace, cloud: LocalCloud) -> None:
        self.room, self.s3 = room, cloud.client("s3")
        self.bucket = f"shelf-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.objects = room.objects.Objects(self.s3)
        self.files = room.filesystem.Files(self.objects)
        self.connection = room.filesystem.connect(self.files, 256 << 20, 1)
        catalog = room.catalog.Catalog(cloud.client("glue"))
        self.place = room.tables.Place(self.connection, self.files, self.objects, catalog)

    def uri(self, key: str = "") -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes) -> Any:
        """The object of a new key."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return self.room.objects.Object(self.bucket, key, len(body))

    def get(self, uri: str) -> bytes:
        key = uri.removeprefix(self.uri())
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def table(self, **found: Any) -> Any:
        """A table of the catalogue that nobody has made."""
        usual = {"Name": "t", "DatabaseName": "d", "StorageDescriptor": {"Location": self.uri("t/")}}
        return self.room.catalog.Table(usual | found)


@pytest.fixture
def shelf(room: SimpleNamespace, cloud: LocalCloud) -> Iterator[Shelf]:
    made = Shelf(room, cloud)
    yield made
    made.connection.close()
    for one in made.files.written.values():
        one.close()
