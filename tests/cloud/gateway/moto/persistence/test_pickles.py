"""Every backend of moto that can be kept comes back from its bytes."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from typing import Any

import pytest

# In a process of its own: a process has one keeper, and these backends are no user's.
CODE = """
import sys
from moto.backend_index import backend_url_patterns
from sagelab.cloud.gateway.moto.persistence import pickles

apart = {"moto_api", "moto_api._internal", "instance_metadata"}
apart |= {"sagemaker", "sagemakerruntime", "sagemakermetrics"}
for service in sys.argv[1:] or sorted({name for name, _ in backend_url_patterns} - apart):
    accounts = pickles.backends(service)
    regions = accounts["123456789012"]
    backend = regions["us-east-1" if "us-east-1" in regions else "aws"]
    try:
        assert pickles.backends(pickles.service_of(type(backend))) is accounts, "its name does not lead back to it"
        state = pickles.dump(vars(backend), backend)
        assert pickles.load(state).keys() == vars(backend).keys()
    except Exception as error:
        print(service)
"""
# What differences.md says is gone after a restart.
GONE = {"ssm"}
# What labs call, and one that is gone. All of them are another answer with another moto alone.
SOME = ("cloudwatch", "ecr", "events", "iam", "kms", "logs", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts")


@pytest.mark.slow
@pytest.mark.parametrize("services", [SOME, pytest.param((), marks=pytest.mark.long)], ids=["some", "all"])
def test_every_service_but_the_known_ones_can_be_kept(services: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", CODE, *services]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert set(said.split()) == GONE


def test_a_home_of_before_the_package_had_its_name_is_read() -> None:
    from sagelab.cloud.gateway.moto.persistence import pickles, streams

    assert pickles.load(b"csagelab.cloud.gateway.kept.streams\nStream\n.") is streams.Stream


def test_a_backend_stands_in_another_by_its_name_as_it_did_in_homes_of_before() -> None:
    from sagelab.cloud.gateway.moto.persistence import pickles

    account = pickles.backends("sqs")["210987654321"]
    backend = account["us-east-1"]
    state = {"one": backend, "account": account, "all": pickles.backends("sqs"), "text": "sqs"}
    names = {id(backend): ("sqs", "210987654321", "us-east-1"), id(account): ("sqs", "210987654321")}
    names |= {id(pickles.backends("sqs")): ("sqs",)}

    class Formerly(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return names.get(id(value))

    Formerly(buffer := io.BytesIO()).dump(state)
    for data in (pickles.dump(state), buffer.getvalue()):
        assert len(data) < 300
        read = pickles.load(data)
        assert read["one"] is backend
        assert read["account"] is account
        assert read["all"] is pickles.backends("sqs")
    own = pickles.load(pickles.dump({"self": backend}, backend))["self"]
    assert own is not backend
    assert vars(own).keys() == vars(backend).keys()
