"""What CodeBuild's projects may ask for here, what a build of one changes of it, and what its builder is told."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sagelab.cloud.resources.call import Beside
from sagelab.cloud.store import Document

DEFAULTS: Document = {"timeoutInMinutes": 60, "queuedTimeoutInMinutes": 480, "cache": {"type": "NO_CACHE"}}
SOURCES = ("CODECOMMIT", "S3", "CODEPIPELINE", "NO_SOURCE")
TYPES = ("LINUX_CONTAINER", "LINUX_GPU_CONTAINER", "ARM_CONTAINER", "LINUX_LAMBDA_CONTAINER")
# Members that would change what a build does, and do nothing here.
REFUSED = {
    "secondarySources": "A build has one source here.",
    "secondaryArtifacts": "A build has one artifact here.",
    "vpcConfig": "There is no network of a VPC's here: leave vpcConfig out.",
    "fileSystemLocations": "There is no shared file system here: keep the data in S3.",
    "buildBatchConfig": "Builds are not run in batches here.",
    "autoRetryLimit": "A build is tried once here.",
    "concurrentBuildLimit": "The number of builds at a time is not limited here.",
    "badgeEnabled": "Nothing serves a badge here.",
}
# Of StartBuild -> of the project.
_OVERRIDES = {
    "artifactsOverride": "artifacts",
    "serviceRoleOverride": "serviceRole",
    "timeoutInMinutesOverride": "timeoutInMinutes",
    "queuedTimeoutInMinutesOverride": "queuedTimeoutInMinutes",
    "encryptionKeyOverride": "encryptionKey",
    "logsConfigOverride": "logsConfig",
    "cacheOverride": "cache",
    "autoRetryLimitOverride": "autoRetryLimit",
    "secondarySourcesOverride": "secondarySources",
    "secondaryArtifactsOverride": "secondaryArtifacts",
    "sourceVersion": "sourceVersion",
}
_OF_SOURCE = {
    "sourceTypeOverride": "type",
    "sourceLocationOverride": "location",
    "buildspecOverride": "buildspec",
    "sourceAuthOverride": "auth",
}
_OF_ENVIRONMENT = {
    "environmentTypeOverride": "type",
    "imageOverride": "image",
    "computeTypeOverride": "computeType",
    "privilegedModeOverride": "privilegedMode",
    "fleetOverride": "fleet",
}
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check(project: Document) -> None:
    """Beside: a project asks for what its builds would not get."""
    for member, why in REFUSED.items():
        if project.get(member):
            raise _invalid(f"{member} is not something the local cloud can do. {why}")
    source, artifacts = project["source"], project["artifacts"]
    if source["type"] not in SOURCES:
        raise _invalid(
            f"A source of type {source['type']} is not something the local cloud can do: it has no connection to"
            f" GitHub and its like. It takes {', '.join(SOURCES)}."
        )
    if source["type"] in ("CODECOMMIT", "S3") and not source.get("location"):
        raise _invalid("Invalid project source: location must be set")
    if source["type"] == "NO_SOURCE" and not source.get("buildspec"):
        raise _invalid("Invalid project source: buildspec must be set for a project without a source")
    if (source["type"] == "CODEPIPELINE") != (artifacts["type"] == "CODEPIPELINE"):
        raise _invalid("Source and artifacts of a project in a pipeline are both of type CODEPIPELINE")
    if artifacts["type"] == "S3" and not artifacts.get("location"):
        raise _invalid("Invalid artifacts: location must be set")
    if (project.get("cache") or {}).get("type", "NO_CACHE") != "NO_CACHE":
        raise _invalid("A cache is not something the local cloud can do. What pip has fetched is at hand anyway.")
    if ((project.get("logsConfig") or {}).get("s3Logs") or {}).get("status") == "ENABLED":
        raise _invalid("Logs in S3 are not something the local cloud can do: they are in CloudWatch Logs.")
    _check_environment(project["environment"])


def _check_environment(environment: Document) -> None:
    if environment["type"] not in TYPES:
        raise _invalid(f"An environment of type {environment['type']} does not run here: {TYPES[0]} does.")
    if not environment["image"].startswith("aws/codebuild/"):
        raise _invalid(
            f"The image {environment['image']} cannot run here: a build has this machine's programs and the"
            " packages of the local cloud in place of an image aws/codebuild/..."
        )
    if environment.get("privilegedMode"):
        raise _invalid("privilegedMode: no Docker runs here.")
    if environment.get("fleet"):
        raise _invalid("There are no fleets here.")
    for each in environment.get("environmentVariables", []):
        if not _NAME.fullmatch(each["name"]):
            raise _invalid(f"Invalid environment variable name: {each['name']}")


def check_start(project: Document) -> None:
    """Beside: a project's builds are started by a pipeline."""
    if project["source"]["type"] == "CODEPIPELINE":
        raise _invalid("Project source type CODEPIPELINE: its builds are started by a pipeline")


def overridden(project: Document, asked: dict[str, Any]) -> Document:
    """A project as one build has it."""
    found = project | {mine: asked[name] for name, mine in _OVERRIDES.items() if name in asked}
    source = {mine: asked[name] for name, mine in _OF_SOURCE.items() if name in asked}
    environment = {mine: asked[name] for name, mine in _OF_ENVIRONMENT.items() if name in asked}
    variables = {each["name"]: each for each in project["environment"].get("environmentVariables", [])}
    variables |= {each["name"]: each for each in asked.get("environmentVariablesOverride", [])}
    environment["environmentVariables"] = list(variables.values())
    return found | {"source": found["source"] | source, "environment": found["environment"] | environment}


def request(project: Document, build: Document, url: str) -> dict[str, Any]:
    """What the builder is told. url: of the local cloud."""
    source, artifacts = project["source"], project["artifacts"]
    location = source.get("location", "")
    if source["type"] == "CODECOMMIT":
        location = f"{url}/v1/repos/{urlsplit(location).path.rstrip('/').rpartition('/')[2]}"
    return {
        "source": {"type": source["type"], "location": location, "version": project.get("sourceVersion", "")},
        "buildspec": source.get("buildspec") or None,
        "variables": project["environment"].get("environmentVariables", []),
        "artifacts": _artifacts(project, artifacts, build) if artifacts["type"] == "S3" else None,
    }


def _artifacts(project: Document, artifacts: Document, build: Document) -> dict[str, Any]:
    """Where the artifact goes: PATH/BUILD-ID/NAME, of which the first two may be missing."""
    path = artifacts.get("path", "").strip("/")
    if artifacts.get("namespaceType") == "BUILD_ID":
        path = f"{path}/{build['id'].rpartition(':')[2]}".strip("/")
    key = project["encryptionKey"]
    return {
        "location": artifacts["location"].removeprefix("arn:aws:s3:::"),
        "path": path,
        "name": artifacts.get("name") or project["name"],
        "packaging": artifacts.get("packaging", "NONE"),
        "named": bool(artifacts.get("overrideArtifactName")),
        **({"encryptionKey": key} if not key.endswith(":alias/aws/s3") else {}),
    }


def _invalid(why: str) -> Beside:
    return Beside("InvalidInputException", why)
