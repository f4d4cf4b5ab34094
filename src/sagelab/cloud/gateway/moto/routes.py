"""Which operation a request means whose method and path say so, by moto's own router over botocore's models."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import UnknownServiceError
from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import BackendRequest
from werkzeug.exceptions import HTTPException

from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto.environ import environ_of

# The name that requests are signed for -> botocore's models that have it, where that is not the name itself.
MODELS = {
    "access-analyzer": ("accessanalyzer",),
    "aidevops": ("devops-agent",),
    "apigateway": ("apigateway", "apigatewayv2"),
    "aps": ("amp",),
    "bedrock": ("bedrock", "bedrock-agent", "bedrock-runtime"),
    "bedrock-agentcore": ("bedrock-agentcore", "bedrock-agentcore-control"),
    "connect-campaigns": ("connectcampaigns",),
    "elasticfilesystem": ("efs",),
    "es": ("es", "opensearch"),
    "execute-api": ("apigatewaymanagementapi",),
    "iotdata": ("iot-data",),
    "kinesisvideo": ("kinesisvideo", "kinesis-video-archived-media"),
    "lex": ("lexv2-models",),
    "mediastore": ("mediastore-data",),
    "mobiletargeting": ("pinpoint",),
    "s3": ("s3control",),
    "servicecatalog": ("servicecatalog-appregistry",),
    "ses": ("sesv2",),
}


def operation_of(request: Request, service: str) -> str:
    """The name of an operation, "" where no model of the service has one for the request."""
    return _match(request, service)[0]


def labels_of(request: Request, service: str) -> dict[str, Any]:
    """The members that an operation finds in its path."""
    return _match(request, service)[1]


def _match(request: Request, service: str) -> tuple[str, dict[str, Any]]:
    for model in MODELS.get(service, (service,)):
        try:
            with request.rewound():
                operation, labels = get_service_router(model).match(BackendRequest(environ_of(request)))
                return str(operation.name), dict(labels)
        except (HTTPException, NotImplementedError, UnknownServiceError):
            continue
    return "", {}
