"""SageMaker's and alarms' tags in the Resource Groups Tagging API: the store's, changed through the front door.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/overview.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError
from moto.core.resource_tagging import TaggedResource
from moto.resourcegroupstaggingapi import models, urls
from moto.sagemaker import models as moto_sagemaker

from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess
from sagelab.cloud.home import ACCOUNT

_ALARM = ":alarm:"


class Resources(moto_sagemaker.SageMakerModelBackend):  # type: ignore[misc]
    """What moto takes for SageMaker's backend of a region."""

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        for arn, kind, tags in SageMakerAccess.current.tagged(self.region_name):
            yield TaggedResource(arn, tags, f"{arn.split(':')[2]}:{kind}")

    def tag_resource(self, arn: str, tags: dict[str, str]) -> None:
        new = [{"Key": key, "Value": value} for key, value in tags.items()]
        SageMakerAccess.current.client(self.region_name).add_tags(ResourceArn=arn, Tags=new)

    def untag_resource(self, arn: str, tag_keys: list[str]) -> None:
        SageMakerAccess.current.client(self.region_name).delete_tags(ResourceArn=arn, TagKeys=tag_keys)


class Backend(models.ResourceGroupsTaggingAPIBackend):  # type: ignore[misc]
    """The API of one region: a key or a value is told once, and each resource that refuses is told by itself."""

    _url_module = urls

    def _get_tag_keys_generator(self) -> Iterator[str]:
        return iter(dict.fromkeys(super()._get_tag_keys_generator()))

    def _get_tag_values_generator(self, tag_key: str) -> Iterator[str]:
        return iter(dict.fromkeys(super()._get_tag_values_generator(tag_key)))

    def tag_resources(self, resource_arns: list[str], tags: dict[str, str]) -> dict[str, Any]:
        def tag(arn: str) -> dict[str, Any]:
            if _ALARM not in arn:
                return dict(super(Backend, self).tag_resources([arn], tags))
            new = [{"Key": key, "Value": value} for key, value in tags.items()]
            self._alarms().tag_resource(ResourceARN=arn, Tags=new)
            return {}

        return _failures(resource_arns, tag)

    def untag_resources(self, resource_arn_list: list[str], tag_keys: list[str]) -> dict[str, Any]:
        def untag(arn: str) -> dict[str, Any]:
            if _ALARM not in arn:
                return dict(super(Backend, self).untag_resources([arn], tag_keys))
            self._alarms().untag_resource(ResourceARN=arn, TagKeys=tag_keys)
            return {}

        return _failures(resource_arn_list, untag)

    def _alarms(self) -> Any:
        return SageMakerAccess.current.client(self.region_name, service="cloudwatch")


def _failures(arns: list[str], act: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """FailedResourcesMap: what each resource that was not changed says."""
    failed: dict[str, Any] = {}
    for arn in arns:
        try:
            failed |= act(arn)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            about = {"ErrorCode": "InvalidParameterException", "ErrorMessage": error.response["Error"]["Message"]}
            failed[arn] = {"StatusCode": status, **about}
    return failed


def _install() -> None:
    moto_sagemaker.sagemaker_backends.backend = Resources
    models.resourcegroupstaggingapi_backends.backend = Backend
    moto_sagemaker.sagemaker_backends[ACCOUNT]


_install()
