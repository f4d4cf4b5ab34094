"""The built-in template "MLOps template for model building, training, and deployment": what a project of it has.

Everything is made by calls through the front door, as the template's stack makes it on AWS: two repositories with
the code of seed/, three build projects, two pipelines and a bucket. The pipelines look for pushes themselves, and
an approval starts the second (resources/projects.py), where AWS has rules of EventBridge's.
https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects-templates-sm.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

SEED = Path(__file__).with_name("seed")
NAME = "MLOps template for model building, training, and deployment"
TEXT = (
    "A repository and a pipeline that builds, trains, evaluates and registers a model on every push; a repository"
    " and a pipeline that deploys an approved model to staging and, when that is approved, to production."
)
PRODUCT, ARTIFACT, PATH = "prod-sagelabmlops1", "pa-sagelabmlops11", "lpv3-sagelabmlops1"
USE_ROLE = "AmazonSageMakerServiceCatalogProductsUseRole"
SERVICES = ("codebuild", "codepipeline", "cloudformation", "sagemaker")
PLACES = ("modelbuild", "modeldeploy")
ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/amazonlinux2-x86_64-standard:5.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}
ENDS = {"type": "CODEPIPELINE"}


@dataclass(frozen=True)
class Project:
    """name, id: of the SageMaker project. where: "REGION:ACCOUNT". client: of a service, in that region."""

    name: str
    id: str
    where: str
    client: Callable[[str], Any]

    @property
    def start(self) -> str:
        """What the names of its parts begin with."""
        return f"sagemaker-{self.name}-{self.id}"

    @property
    def group(self) -> str:
        """The model package group of its models."""
        return f"{self.name}-{self.id}"

    @property
    def bucket(self) -> str:
        return f"sagemaker-project-{self.id}"

    @property
    def tags(self) -> dict[str, str]:
        return {"sagemaker:project-name": self.name, "sagemaker:project-id": self.id}

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.where.partition(':')[2]}:role/service-role/{USE_ROLE}"

    def make(self) -> None:
        """Make all of it. botocore's ClientError: something is refused."""
        self._make_role()
        self._make_bucket()
        for place in PLACES:
            self._make_repository(place)
        self._make_builds()
        for place, stages in (("modelbuild", self._build_stages()), ("modeldeploy", self._deploy_stages())):
            self._make_pipeline(place, stages)

    def remove(self) -> None:
        """Leave nothing but the bucket and what models were made. ClientError: something is refused."""
        for place in PLACES:
            name = f"{self.start}-{place}"
            self.client("codepipeline").delete_pipeline(name=name)
            self.client("codecommit").delete_repository(repositoryName=name)
        for place in (*PLACES, "testing"):
            self.client("codebuild").delete_project(name=f"{self.start}-{place}")
        for stage in ("staging", "prod"):
            self.client("cloudformation").delete_stack(StackName=f"{self.start}-deploy-{stage}")

    def deploy(self) -> None:
        """Start the deployment of the newest approved version."""
        self.client("codepipeline").start_pipeline_execution(name=f"{self.start}-modeldeploy")

    def _make_role(self) -> None:
        """The role that all of a project's parts act with, made with the first project."""
        iam = self.client("iam")
        principals = [f"{service}.amazonaws.com" for service in SERVICES]
        trust = {"Effect": "Allow", "Principal": {"Service": principals}, "Action": "sts:AssumeRole"}
        rights = {"Effect": "Allow", "Action": [f"{name}:*" for name in _RIGHTS], "Resource": "*"}
        passing = {"Effect": "Allow", "Action": ["iam:GetRole", "iam:PassRole"], "Resource": "*"}
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=USE_ROLE, Path="/service-role/", AssumeRolePolicyDocument=_policy(trust))
        iam.put_role_policy(RoleName=USE_ROLE, PolicyName="project", PolicyDocument=_policy(rights, passing))

    def _make_bucket(self) -> None:
        s3, region = self.client("s3"), self.where.partition(":")[0]
        there = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=self.bucket, **there)
        s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": _listed(self.tags, "Key", "Value")})

    def _make_repository(self, place: str) -> None:
        codecommit, name = self.client("codecommit"), f"{self.start}-{place}"
        text = f"SageMaker project {self.name}: {place}"
        codecommit.create_repository(repositoryName=name, repositoryDescription=text, tags=self.tags)
        codecommit.create_commit(
            repositoryName=name,
            branchName="main",
            authorName="SageMaker Projects",
            commitMessage="Initial commit",
            putFiles=[{"filePath": path, "fileContent": content} for path, content in seed(place)],
        )

    def _make_builds(self) -> None:
        for place, spec in (("modelbuild", None), ("modeldeploy", None), ("testing", "test/buildspec.yml")):
            self.client("codebuild").create_project(
                name=f"{self.start}-{place}",
                source=ENDS | ({"buildspec": spec} if spec else {}),
                artifacts=ENDS,
                environment=ENVIRONMENT | {"environmentVariables": _listed(self._variables(), "name", "value")},
                serviceRole=self.role,
                tags=_listed(self.tags, "key", "value"),
            )

    def _variables(self) -> dict[str, str]:
        """What the code of seed/ reads."""
        return {
            "SAGEMAKER_PROJECT_NAME": self.name,
            "SAGEMAKER_PROJECT_ID": self.id,
            "SAGEMAKER_PROJECT_ARN": f"arn:aws:sagemaker:{self.where}:project/{self.name}",
            "SAGEMAKER_PIPELINE_NAME": f"sagemaker-{self.name}",
            "SAGEMAKER_PIPELINE_ROLE_ARN": self.role,
            "MODEL_EXECUTION_ROLE_ARN": self.role,
            "MODEL_PACKAGE_GROUP_NAME": self.group,
            "ENDPOINT_NAME": self.name,
            "ARTIFACT_BUCKET": self.bucket,
        }

    def _build_stages(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "Source": [self._source("modelbuild")],
            "Build": [self._build("BuildAndExecuteSageMakerPipeline", "modelbuild", "code", "built")],
        }

    def _deploy_stages(self) -> dict[str, list[dict[str, Any]]]:
        test = self._build("TestStaging", "testing", "code", "", order=2)
        approve = _action(
            "ApproveDeployment", "Approval", "Manual", {"CustomData": "Deploy to production?"}, order=3
        )
        return {
            "Source": [self._source("modeldeploy")],
            "Build": [self._build("BuildDeploymentTemplates", "modeldeploy", "code", "built")],
            "DeployStaging": [self._deploy("staging"), test, approve],
            "DeployProd": [self._deploy("prod")],
        }

    def _source(self, place: str) -> dict[str, Any]:
        asked = {"RepositoryName": f"{self.start}-{place}", "BranchName": "main"}
        return _action("Code", "Source", "CodeCommit", asked, made="code")

    def _build(self, name: str, place: str, used: str, made: str, order: int = 1) -> dict[str, Any]:
        asked = {"ProjectName": f"{self.start}-{place}"}
        return _action(name, "Build", "CodeBuild", asked, made, used, order)

    def _deploy(self, stage: str) -> dict[str, Any]:
        asked = {
            "ActionMode": "CREATE_UPDATE",
            "StackName": f"{self.start}-deploy-{stage}",
            "TemplatePath": "built::endpoint-template.yml",
            "TemplateConfiguration": f"built::{stage}-config.json",
            "RoleArn": self.role,
        }
        return _action(f"DeployResources{stage.capitalize()}", "Deploy", "CloudFormation", asked, used="built")

    def _make_pipeline(self, place: str, stages: dict[str, list[dict[str, Any]]]) -> None:
        name = f"{self.start}-{place}"
        declaration = {
            "name": name,
            "roleArn": self.role,
            "artifactStore": {"type": "S3", "location": self.bucket},
            "stages": [{"name": stage, "actions": actions} for stage, actions in stages.items()],
        }
        tags = _listed(self.tags, "key", "value")
        self.client("codepipeline").create_pipeline(pipeline=declaration, tags=tags)


_RIGHTS = (
    "sagemaker",
    "s3",
    "logs",
    "cloudwatch",
    "codecommit",
    "codebuild",
    "codepipeline",
    "cloudformation",
    "ecr",
)


def _action(
    name: str, category: str, provider: str, asked: dict[str, str], made: str = "", used: str = "", order: int = 1
) -> dict[str, Any]:
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "runOrder": order,
        "configuration": asked,
        "outputArtifacts": [{"name": made}] if made else [],
        "inputArtifacts": [{"name": used}] if used else [],
    }


def seed(place: str) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file that a repository begins with."""
    for file in sorted((SEED / place).rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield str(file.relative_to(SEED / place)), file.read_bytes()


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _listed(pairs: dict[str, str], name: str, value: str) -> list[dict[str, str]]:
    return [{name: key, value: text} for key, text in pairs.items()]


def explain(error: Exception) -> str:
    """Why a project could not be made, in the words of what refused it."""
    if isinstance(error, botocore.exceptions.ClientError):
        return str(error.response.get("Error", {}).get("Message", error))
    return repr(error)
