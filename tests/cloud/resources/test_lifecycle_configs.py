"""Lifecycle configurations through boto3."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.instances import encode
from tests.conftest import LocalCloud

NAME = "NotebookInstanceLifecycleConfigName"


@pytest.fixture
def sagemaker(cloud: LocalCloud) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture
def config(sagemaker: Any, unique: Callable[[str], str]) -> str:
    """The name of a configuration with an OnStart script."""
    name = unique("config")
    sagemaker.create_notebook_instance_lifecycle_config(**{NAME: name}, OnStart=encode("echo start"))
    return name


def test_scripts_come_back_as_they_were_sent(sagemaker: Any, config: str) -> None:
    found = sagemaker.describe_notebook_instance_lifecycle_config(**{NAME: config})
    assert base64.b64decode(found["OnStart"][0]["Content"]) == b"echo start"
    assert found["NotebookInstanceLifecycleConfigArn"].endswith(f"notebook-instance-lifecycle-config/{config}")
    assert "OnCreate" not in found


def test_update_changes_what_is_given_and_the_time(sagemaker: Any, config: str) -> None:
    before = sagemaker.describe_notebook_instance_lifecycle_config(**{NAME: config})
    sagemaker.update_notebook_instance_lifecycle_config(**{NAME: config}, OnCreate=encode("echo create"))
    after = sagemaker.describe_notebook_instance_lifecycle_config(**{NAME: config})
    assert after["OnStart"] == before["OnStart"]
    assert base64.b64decode(after["OnCreate"][0]["Content"]) == b"echo create"
    assert after["LastModifiedTime"] > before["LastModifiedTime"]


def test_list_finds_it_by_a_part_of_its_name(sagemaker: Any, config: str) -> None:
    found = sagemaker.list_notebook_instance_lifecycle_configs(NameContains=config[7:])
    assert [item[NAME] for item in found["NotebookInstanceLifecycleConfigs"]] == [config]


def test_deleted_configuration_is_gone(sagemaker: Any, config: str) -> None:
    sagemaker.delete_notebook_instance_lifecycle_config(**{NAME: config})
    with pytest.raises(botocore.exceptions.ClientError, match=r"Details: .* does not exist"):
        sagemaker.describe_notebook_instance_lifecycle_config(**{NAME: config})


def test_name_is_taken_once(sagemaker: Any, config: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"Details: .* already exists"):
        sagemaker.create_notebook_instance_lifecycle_config(**{NAME: config})


@pytest.mark.parametrize("operation", ["create", "update"])
def test_script_that_is_not_base64_is_refused(sagemaker: Any, config: str, operation: str) -> None:
    act = getattr(sagemaker, f"{operation}_notebook_instance_lifecycle_config")
    name = config if operation == "update" else f"{config}-new"
    with pytest.raises(botocore.exceptions.ClientError, match="base64"):
        act(**{NAME: name}, OnStart=[{"Content": "echo hello!"}])


def test_tags_are_kept(sagemaker: Any, unique: Callable[[str], str]) -> None:
    tags = [{"Key": "k", "Value": "v"}]
    made = sagemaker.create_notebook_instance_lifecycle_config(**{NAME: unique("config")}, Tags=tags)
    assert sagemaker.list_tags(ResourceArn=made["NotebookInstanceLifecycleConfigArn"])["Tags"] == tags
