"""A local cloud as tests see it: where it is, who one is there, and this process pointed at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import boto3

    from sagelab.cloud.home import Home

REGION = "us-east-1"
# Where the SageMaker SDK v3 (and v2's own copy of its core) keep clients for a whole process.
SDK_MODULES = ("sagemaker.core.utils.utils", "sagemaker_core.main.utils")
SDK_CACHES = ("SingletonMeta", "_ClientCacheMeta")


class LocalCloud:
    """A local cloud that runs, with an account, a role and a bucket as SageMaker's quick setup makes them."""

    region = REGION

    def __init__(self, home: Home) -> None:
        """home: of a local cloud that runs."""
        self.home = home

    @property
    def url(self) -> str:
        """Where AWS is: what AWS_ENDPOINT_URL says during a test."""
        from sagelab.cloud import control

        return control.find_url(self.home)

    @property
    def console(self) -> str:
        """An address that opens its console, once, within an hour: for `pytest --pdb`."""
        from sagelab.cloud import control

        return control.console(self.home)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that is pointed at it: subprocess.run(..., env=sagelab_cloud.env)."""
        from sagelab.cloud import control

        return control.surroundings(self.home)

    @property
    def account(self) -> str:
        return self.home.account

    @property
    def role(self) -> str:
        """The ARN of the execution role, for jobs and models; SDK calls that look for one find it too."""
        return self.home.role_arn

    @property
    def bucket(self) -> str:
        """The account's default SageMaker bucket; made if there is none."""
        name = f"sagemaker-{REGION}-{self.account}"
        self.client("s3").create_bucket(Bucket=name)
        return name

    def session(self, region: str = REGION) -> boto3.Session:
        """A new boto3 session with the account's keys; its clients find this place during a test."""
        import boto3

        keys = self.home.credentials()
        return boto3.Session(keys.access_key_id, keys.secret_access_key, region_name=region)

    def client(self, service: str, *, region: str = REGION, **options: Any) -> Any:
        """A new boto3 client that speaks to this local cloud, whatever the environment says."""
        return self.session(region).client(service, endpoint_url=self.url, **options)

    @contextmanager
    def pointed(self) -> Iterator[None]:
        """For the block, boto3 and both SageMaker SDKs of this process, and its children, speak to this place.

        Sessions and clients that were made before are left as they are, and are the default ones again afterwards.
        """
        import boto3

        from sagelab.cloud import control
        from sagelab.redirect import install

        with pytest.MonkeyPatch.context() as patch:
            for name in control.foreign(os.environ):
                patch.delenv(name)
            for name, value in control.environment(self.home).items():
                patch.setenv(name, value)
            install()
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            for cache in _sdk_caches():
                patch.setattr(cache, "_instances", {})
            try:
                yield
            finally:
                for cache in _sdk_caches():  # one that was imported meanwhile has clients of this place
                    cache._instances.clear()


def _sdk_caches() -> list[Any]:
    modules = [sys.modules[name] for name in SDK_MODULES if name in sys.modules]
    return [getattr(module, name) for module in modules for name in SDK_CACHES if hasattr(module, name)]
