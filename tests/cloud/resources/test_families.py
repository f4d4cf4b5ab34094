"""The families of resources together own what the table of operations says."""

from __future__ import annotations

import botocore.session

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.gateway.wire.planes import BESIDE, MODELS
from sagelab.cloud.home import Home
from sagelab.cloud.resources import families, operations
from sagelab.cloud.store import Store


def test_the_table_is_what_the_families_own(home: Home) -> None:
    store = Store(home.database)
    cloud = Cloud(home, store, Launcher(home), "http://127.0.0.1:1", "us-east-1")
    owned = {(family.service, name) for family in families(cloud) for name in family.operations()}
    services = ("sagemaker", *BESIDE)
    assert owned == {(service, name) for service in services for name in operations(service)}
    store.close()


def test_every_owned_operation_is_one_of_the_service_models() -> None:
    session = botocore.session.get_session()
    known: set[str] = set()
    for service in ("sagemaker", "sagemaker-runtime"):
        known |= set(session.get_service_model(service).operation_names)
    assert known >= operations()
    for service in BESIDE:
        model = session.get_service_model(MODELS.get(service, service))
        assert set(model.operation_names) >= operations(service)
