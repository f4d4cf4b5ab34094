"""A SageMaker project: a push builds a model, an approval deploys it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud
from tests.waiting import until


def find_details(cloud: LocalCloud) -> dict[str, str]:
    """What CreateProject needs, found as Studio finds it."""
    catalog = cloud.client("servicecatalog")
    product = catalog.search_products(Filters={"FullTextSearch": ["MLOps template"]})["ProductViewSummaries"][0]
    name = product["ProductId"]
    version = catalog.list_provisioning_artifacts(ProductId=name)["ProvisioningArtifactDetails"][0]["Id"]
    path = catalog.list_launch_paths(ProductId=name)["LaunchPathSummaries"][0]["Id"]
    return {"ProductId": name, "ProvisioningArtifactId": version, "PathId": path}


def test_a_project_builds_a_model_and_an_approval_deploys_it(cloud: LocalCloud) -> None:
    sagemaker, pipelines = cloud.client("sagemaker"), cloud.client("codepipeline")
    name = f"digits-{uuid.uuid4().hex[:6]}"
    details = find_details(cloud)
    key = sagemaker.create_project(ProjectName=name, ServiceCatalogProvisioningDetails=details)["ProjectId"]

    def status() -> str:
        return str(sagemaker.describe_project(ProjectName=name)["ProjectStatus"])

    assert until(status, lambda found: found != "CreateInProgress") == "CreateCompleted"
    start, group = f"sagemaker-{name}-{key}", f"{name}-{key}"

    def executions(place: str) -> list[dict[str, Any]]:
        asked = {"pipelineName": f"{start}-{place}"}
        found: list[dict[str, Any]] = pipelines.list_pipeline_executions(**asked)["pipelineExecutionSummaries"]
        return found

    def state(stage: str) -> dict[str, dict[str, Any]]:
        stages = pipelines.get_pipeline_state(name=f"{start}-modeldeploy")["stageStates"]
        actions = next(each for each in stages if each["stageName"] == stage)["actionStates"]
        return {each["actionName"]: each.get("latestExecution", {}) for each in actions}

    until(lambda: executions("modelbuild"), lambda found: found[0]["status"] == "Succeeded")
    # Nothing is approved yet: as on AWS, the first deployment has nothing to deploy.
    until(lambda: executions("modeldeploy"), lambda found: found[0]["status"] == "Failed")
    package = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"][0]
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    arn = package["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    until(lambda: state("DeployStaging")["ApproveDeployment"], lambda found: "token" in found)
    assert sagemaker.describe_endpoint(EndpointName=f"{name}-staging")["EndpointStatus"] == "InService"
    assert state("DeployStaging")["TestStaging"]["status"] == "Succeeded"
    tags = sagemaker.list_tags(
        ResourceArn=sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    )["Tags"]
    assert {"Key": "sagemaker:project-id", "Value": key} in tags
    sagemaker.delete_project(ProjectName=name)
    listed = {"NameContains": name}
    until(lambda: sagemaker.list_projects(**listed)["ProjectSummaryList"], lambda found: found == [])
    names = {each["repositoryName"] for each in cloud.client("codecommit").list_repositories()["repositories"]}
    assert not {each for each in names if each.startswith(start)}


def test_a_project_of_another_template_is_refused(cloud: LocalCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    with pytest.raises(ClientError, match="Product prod-x not found"):
        sagemaker.create_project(ProjectName="p", ServiceCatalogProvisioningDetails={"ProductId": "prod-x"})
    template = {"TemplateName": "t", "TemplateURL": "https://example.com/t.yml"}
    with pytest.raises(ClientError, match="TemplateProviders"):
        sagemaker.create_project(ProjectName="p", TemplateProviders=[{"CfnTemplateProvider": template}])


def test_the_portfolio_is_enabled_and_disabled(cloud: LocalCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.enable_sagemaker_servicecatalog_portfolio()
    assert sagemaker.get_sagemaker_servicecatalog_portfolio_status()["Status"] == "Enabled"
    sagemaker.disable_sagemaker_servicecatalog_portfolio()
    assert sagemaker.get_sagemaker_servicecatalog_portfolio_status()["Status"] == "Disabled"
