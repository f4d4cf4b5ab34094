"""Which container or model of an endpoint an invocation is for, as its headers say.

https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-direct.html
https://docs.aws.amazon.com/sagemaker/latest/dg/invoke-multi-model-endpoint.html
"""

from __future__ import annotations

from sagelab.cloud.engine.hosting.server import VariantSpec

CONTAINER = "X-Amzn-SageMaker-Target-Container-Hostname"
MODEL = "X-Amzn-SageMaker-Target-Model"


class BadTarget(Exception):
    """The invocation names a container or a model that there is not, or none where it must; `str()` says so."""


class ModelNotReady(Exception):
    """The model, or an environment for it, takes longer to be there than an invocation may."""


def check(endpoint: str, spec: VariantSpec, headers: dict[str, str]) -> None:
    """BadTarget: an invocation with these headers is not for this variant of the endpoint."""
    container = headers.get(CONTAINER)
    if any(one.many for one in spec.containers):
        if MODEL not in headers:
            raise BadTarget(f"Request to multi-model endpoint {endpoint} is missing a target model header.")
    elif MODEL in headers:
        raise BadTarget(
            f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header."
        )
    if not spec.direct:
        if container is not None:
            raise BadTarget(
                f"Endpoint {endpoint} is not a multi-container endpoint with direct invocation and does not"
                " support target container hostname header."
            )
        return
    names = [one.name for one in spec.containers]
    if container is None:
        raise BadTarget(
            f"Endpoint {endpoint} is a multi-container endpoint with direct invocation: the request is missing a"
            f" target container hostname header. It has: {', '.join(names)}."
        )
    if container not in names:
        raise BadTarget(
            f"Target container hostname {container} does not exist in endpoint {endpoint}. It has:"
            f" {', '.join(names)}."
        )
