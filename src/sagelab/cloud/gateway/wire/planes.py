"""SageMaker's planes, and the services beside it that are ours, in botocore's models: what a request means.

The control plane names its operation in X-Amz-Target; the others are found by method and path. The
models are loaded when first needed, for the control plane's alone is several megabytes.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import botocore
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from sagelab.cloud.errors import UnknownOperation
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.wire import cbor

CONTROL = "sagemaker"
REST = (
    "sagemaker-runtime",
    "sagemaker-metrics",
    "sagemaker-featurestore-runtime",
    "sagemaker-a2i-runtime",
    "sagemaker-edge",
    "sagemaker-geospatial",
)
# The names these planes sign with.
SIGNING = frozenset({"sagemaker", "sagemaker-geospatial"})
# Services beside SageMaker that are the local cloud's own -> what comes before an operation in X-Amz-Target.
BESIDE = {
    "codecommit": "CodeCommit_20150413",
    "codebuild": "CodeBuild_20161006",
    "codepipeline": "CodePipeline_20150709",
    "servicecatalog": "AWS242ServiceCatalogService",
    "application-autoscaling": "AnyScaleFrontendService",
    "comprehend": "Comprehend_20171127",
    "cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
    "athena": "AmazonAthena",
    "glue": "AWSGlue",
    "fsx": "AWSSimbaAPIService_v20180301",
    "firehose": "Firehose_20150804",
    "kinesis": "Kinesis_20131202",
    "elasticmapreduce": "ElasticMapReduce",
    "lakeformation": "",
    "emr-serverless": "",
    "redshift-data": "RedshiftData",
    "dms": "AmazonDMSv20160101",
    "quicksight": "",
}
# Of them those whose operations are found by method and path.
BY_PATH = frozenset({"lakeformation", "emr-serverless", "quicksight"})
SHARED = frozenset({"glue"})  # of them those whose other operations are moto's
MODELS = {"elasticmapreduce": "emr"}  # what is signed by another name than botocore's -> botocore's
_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class Operation:
    """One operation, and the labels found in the request's path. cbor: whether it is asked in CBOR."""

    plane: str
    model: OperationModel
    labels: dict[str, str]
    cbor: bool = False

    @property
    def name(self) -> str:
        return str(self.model.name)

    @property
    def service(self) -> str:
        """Whose operation it is: "sagemaker", or one of BESIDE."""
        return self.plane if self.plane in BESIDE else CONTROL

    @property
    def rest(self) -> bool:
        return self.plane in REST or self.plane in BY_PATH


@dataclass(frozen=True)
class _Route:
    """start: the first word of its path, which is never a label."""

    plane: str
    method: str
    start: str
    path: re.Pattern[str]
    model: OperationModel


Routes = dict[tuple[str, str], list[_Route]]


class Planes:
    """Every operation of every plane."""

    def __init__(self) -> None:
        self._loader = Loader()
        self._models: dict[str, OperationModel] = {}
        self._beside: dict[str, ServiceModel] = {}
        self._tables: dict[str, Routes] = {}
        self._lock = threading.Lock()

    def find(self, request: Request, service: str = CONTROL) -> Operation:
        """The operation a request to a service means. UnknownOperation: it has none such."""
        if service in BY_PATH:
            return self._by_path(request, service, self._paths(service))
        if service in BESIDE:
            named = cbor.target(request)
            return self._of_beside(named or request.target, service, bool(named))
        if request.target:
            return self._targeted(request.target)
        return self._by_path(request, "SageMaker", self._routes)

    def _by_path(self, request: Request, service: str, routes: Routes) -> Operation:
        for route in routes.get((request.method, _start(request.path)), ()):
            if found := route.path.fullmatch(request.path):
                labels = {name: unquote(value) for name, value in found.groupdict().items()}
                return Operation(route.plane, route.model, labels)
        raise UnknownOperation(f"{request.method} {request.path} is not an operation of {service}.")

    def names(self) -> dict[str, list[str]]:
        """Plane -> the names of its operations, sorted."""
        return {plane: sorted(self._service(plane).operation_names) for plane in (CONTROL, *REST, *BESIDE)}

    def warm(self) -> None:
        """Load the control plane's model."""
        self._control  # noqa: B018

    def _targeted(self, target: str) -> Operation:
        prefix, _, name = target.partition(".")
        model = self._models.get(name) or self.control(name)
        if prefix != "SageMaker" or model is None:
            raise UnknownOperation(
                f"{target} is not an operation of SageMaker that botocore {botocore.__version__} knows."
            )
        return Operation(CONTROL, model, {})

    def _of_beside(self, target: str, service: str, in_cbor: bool) -> Operation:
        prefix, _, name = target.rpartition(".")
        with self._lock:
            if service not in self._beside:
                self._beside[service] = self._service(service)
        model = self._beside[service]
        if prefix != BESIDE[service] or name not in model.operation_names:
            raise UnknownOperation(f"{target} is not an operation of {service}.")
        return Operation(service, model.operation_model(name), {}, in_cbor)

    def control(self, name: str) -> OperationModel | None:
        """An operation of the control plane by its name, or None."""
        with self._lock:
            if name not in self._control.operation_names:
                return None
            return self._models.setdefault(name, self._control.operation_model(name))

    @cached_property
    def _control(self) -> ServiceModel:
        return self._service(CONTROL)

    @cached_property
    def _routes(self) -> Routes:
        return self._table(*REST)

    def _paths(self, service: str) -> Routes:
        with self._lock:
            if service not in self._tables:
                self._tables[service] = self._table(service)
            return self._tables[service]

    def _table(self, *planes: str) -> Routes:
        """By method and first word of the path. Paths with fewer labels first: a fixed word wins over a label."""
        routes = [
            _route(plane, service.operation_model(name))
            for plane in planes
            for service in (self._service(plane),)
            for name in service.operation_names
        ]
        table: Routes = {}
        for route in sorted(routes, key=lambda route: route.path.groups):
            table.setdefault((route.method, route.start), []).append(route)
        return table

    def _service(self, plane: str) -> ServiceModel:
        description: dict[str, Any] = self._loader.load_service_model(MODELS.get(plane, plane), "service-2")
        return ServiceModel(description, plane)


def _route(plane: str, model: OperationModel) -> _Route:
    path = model.http["requestUri"].partition("?")[0]
    parts, at = [], 0
    for label in _LABEL.finditer(path):
        parts.append(re.escape(path[at : label.start()]))
        parts.append(f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})")
        at = label.end()
    parts.append(re.escape(path[at:]))
    pattern = "".join(parts)
    tail = "" if pattern.endswith("/") else "/?"
    return _Route(plane, model.http["method"], _start(path), re.compile(pattern + tail), model)


def _start(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""
