"""Models: Create, Describe, List, Delete.

A model is a name for an image, model data and a role. Nothing runs until an endpoint is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import hosting_rules, listing
from sagelab.cloud.resources.call import Call, Handler, Params
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource, Store

KIND = "model"
SUMMARY = ["ModelName", "ModelArn", "CreationTime"]


class Models:
    """The family of models of one local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.store = cloud, cloud.store

    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "ListModels": self.list,
            "DeleteModel": self.delete,
        }

    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        hosting_rules.check_model(call.params, self.cloud.client, call.account)
        name = call.params["ModelName"]
        arn = call.arn(KIND, name)
        try:
            self.store.add(Resource(arn, KIND, call.region, name, "", _document(call, arn)), tags)
        except Exists:
            raise ValidationException(f'Cannot create already existing model "{arn}".') from None
        return {"ModelArn": arn}

    def describe(self, call: Call) -> Params:
        return model_of(self.store, _arn(call))

    def list(self, call: Call) -> Params:
        models, more = self.store.page(listing.read_query(call, KIND))
        summaries = [{name: model[name] for name in SUMMARY} for model in models]
        return {"Models": summaries, "NextToken": listing.write_token(more)}

    def delete(self, call: Call) -> Params:
        """An endpoint that was made of the model goes on serving, as on AWS: it has its own copy."""
        try:
            self.store.remove(_arn(call))
        except Missing:
            raise _unknown(_arn(call)) from None
        return {}


def model_of(store: Store, arn: str) -> Document:
    """The model with this ARN, its model data in ModelDataSource. ValidationException: there is none."""
    try:
        return store.get(arn)
    except Missing:
        raise _unknown(arn) from None


def _arn(call: Call) -> str:
    return call.arn(KIND, call.params["ModelName"])


def _unknown(arn: str) -> ValidationException:
    return ValidationException(f'Could not find model "{arn}".')


def _document(call: Call, arn: str) -> Document:
    request = {name: value for name, value in call.params.items() if name != "Tags"}
    if "Containers" in request:
        request["Containers"] = [_described(container) for container in request["Containers"]]
    else:
        request["PrimaryContainer"] = _described(request["PrimaryContainer"])
    return {"EnableNetworkIsolation": False, **request, "ModelArn": arn, "CreationTime": datetime.now(UTC)}


def _described(container: Params) -> Params:
    """A container with what AWS's Describe adds: its mode, and its data as an S3DataSource."""
    source = {"S3DataSource": hosting_rules.data_source(container)}
    return {"Mode": "SingleModel", "Environment": {}, **container, "ModelDataSource": source}
