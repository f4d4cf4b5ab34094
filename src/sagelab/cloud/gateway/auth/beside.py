"""What a request to a service beside SageMaker needs to be allowed: its action, on each resource that it names.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodecommit.html and its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab import catalog
from sagelab.cloud.gateway.auth.needed import Needed

# Service -> (how its ARNs begin, the paths in a request that name a resource).
NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "codecommit": ("", ("repositoryName", "repositoryNames[]", "resourceArn")),
    "codepipeline": ("", ("name", "pipelineName", "pipeline.name", "resourceArn")),
    "servicecatalog": ("", ()),
    "codebuild": ("project/", ("name", "names[]", "projectName", "id", "ids[]")),
}

_ROLES = ("serviceRole", "serviceRoleOverride", "roleArn", "pipeline.roleArn")


def needs(service: str, operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT"."""
    start, paths = NAMES[service]
    named = [str(name) for path in paths for name in catalog.read(params, path)]
    for name in named or ["*"]:
        plain = name == "*" or name.startswith("arn:")
        if service == "codebuild" and not plain:
            name = name.partition(":")[0]  # a build is judged by its project
        yield Needed(f"{service}:{operation}", name if plain else f"arn:aws:{service}:{where}:{start}{name}")
    passed = {"iam:passedtoservice": [f"{service}.amazonaws.com"]}
    for path in _ROLES:
        yield from (Needed("iam:PassRole", str(role), passed) for role in catalog.read(params, path))
