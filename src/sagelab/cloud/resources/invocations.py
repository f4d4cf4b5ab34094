"""The runtime plane: InvokeEndpoint and InvokeEndpointAsync."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.endpoint import Endpoint, Invocation, NoVariant
from sagelab.cloud.errors import ModelError, ServiceError, StreamError, ValidationError
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.endpoints import Endpoints

logger = logging.getLogger("sagelab")

REFUSED = (
    "TargetModel TargetContainerHostname EnableExplanations InferenceComponentName SessionId PrefixAwareId"
).split()
S3_TROUBLE = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)
ASYNC_REFUSED = ("Filename", "S3OutputPathExtension", "RequestTTLSeconds", "InvocationTimeoutSeconds")


class Invocations(Family):
    """Invocations of the endpoints of one local cloud."""

    needs = (Endpoints,)

    def __init__(self, cloud: Cloud, endpoints: Endpoints) -> None:
        super().__init__(cloud)
        self.endpoints = endpoints

    @operation("InvokeEndpoint")
    def invoke(self, call: Call) -> Params:
        endpoint, invocation = self._find(call), _invocation(call.params, call.params.get("Body", b""))
        variant, reply = self._ask(call, endpoint, invocation)
        return {
            "Body": reply.body,
            "ContentType": reply.headers.get("content-type"),
            "InvokedProductionVariant": variant,
            "CustomAttributes": reply.headers.get("x-amzn-sagemaker-custom-attributes"),
        }

    @operation("InvokeEndpointWithResponseStream")
    def invoke_stream(self, call: Call) -> Params:
        """The container's answer in parts, each as soon as it comes."""
        endpoint, invocation = self._find(call), _invocation(call.params, call.params.get("Body", b""))
        try:
            variant, reply, parts = endpoint.stream(invocation)
        except (NoVariant, ServerUnavailable) as error:
            raise _silent(call, endpoint.name, invocation, error) from None
        if reply.status >= 400:
            raise _refused(call, endpoint.name, replace(reply, body=b"".join(parts)))
        return {
            "Body": _guarded(parts),
            "ContentType": reply.headers.get("content-type"),
            "InvokedProductionVariant": variant,
            "CustomAttributes": reply.headers.get("x-amzn-sagemaker-custom-attributes"),
        }

    @operation("InvokeEndpointAsync")
    def invoke_async(self, call: Call) -> Params:
        """Answer at once; the input is read from S3 and the output written there, or the failure."""
        endpoint = self._find(call)
        config = self.endpoints.store.get(call.arn("endpoint", endpoint.name)).get("AsyncInferenceConfig")
        if config is None:
            raise ValidationError(f"Endpoint {endpoint.name} is not an asynchronous endpoint.")
        if "InputLocation" not in call.params:
            raise ValidationError("InputLocation is required: the local cloud reads asynchronous input from S3.")
        for parameter in ASYNC_REFUSED:
            if parameter in call.params:
                raise ValidationError(
                    f"{parameter}: the local cloud does not do this for asynchronous invocations."
                )
        name = str(uuid.uuid4())
        output = config["OutputConfig"]
        locations = {"OutputLocation": f"{output['S3OutputPath'].rstrip('/')}/{name}.out"}
        if "S3FailurePath" in output:
            locations["FailureLocation"] = f"{output['S3FailurePath'].rstrip('/')}/{name}-error.out"
        work = threading.Thread(target=self._answer_later, args=(call, endpoint, locations), daemon=True)
        work.start()
        return {"InferenceId": call.params.get("InferenceId", name), **locations}

    def _answer_later(self, call: Call, endpoint: Endpoint, locations: dict[str, str]) -> None:
        try:
            s3 = endpoint.storage()
        except (ServerUnavailable, *S3_TROUBLE) as error:
            logger.warning("asynchronous invocation of %s: %s", endpoint.name, error)
            return
        try:
            source = channels.locate(call.params["InputLocation"])
            body = s3.get_object(Bucket=source.bucket, Key=source.key)["Body"].read()
            _, reply = self._ask(call, endpoint, _invocation(call.params, body))
            self._put(s3, locations["OutputLocation"], reply.body)
        except (ModelError, ValidationError, ValueError, *S3_TROUBLE) as error:
            if "FailureLocation" in locations:
                self._put(s3, locations["FailureLocation"], str(error).encode())
            logger.warning("asynchronous invocation of %s: %s", endpoint.name, error)

    def _put(self, s3: Any, uri: str, body: bytes) -> None:
        location = channels.locate(uri)
        s3.put_object(Bucket=location.bucket, Key=location.key, Body=body)

    def _find(self, call: Call) -> Endpoint:
        for name in REFUSED:
            if call.params.get(name):
                raise ValidationError(f"{name}: the local cloud's endpoints have one model a variant.")
        name = call.params["EndpointName"]
        endpoint = self.endpoints.running.get(call.arn("endpoint", name))
        if endpoint is None or endpoint.fleet is None:
            raise ValidationError(f"Endpoint {name} of account {call.account} not found.")
        return endpoint

    def _ask(self, call: Call, endpoint: Endpoint, invocation: Invocation) -> tuple[str, Reply]:
        try:
            variant, reply = endpoint.invoke(invocation)
        except (NoVariant, ServerUnavailable) as error:
            raise _silent(call, endpoint.name, invocation, error) from None
        if reply.status >= 400:
            raise _refused(call, endpoint.name, reply)
        return variant, reply


def _invocation(params: Params, body: bytes) -> Invocation:
    return Invocation(
        body=body,
        content_type=params.get("ContentType") or "application/octet-stream",
        accept=params.get("Accept") or "*/*",
        custom=params.get("CustomAttributes"),
        target=params.get("TargetVariant"),
        inference_id=params.get("InferenceId"),
    )


def _refused(call: Call, endpoint: str, reply: Reply) -> ModelError:
    side = "client" if reply.status < 500 else "server"
    text = reply.body.decode("utf-8", "replace")
    return ModelError(
        f'Received {side} error ({reply.status}) from primary with message "{text}". {_see(call, endpoint)}',
        OriginalStatusCode=reply.status,
        OriginalMessage=text,
        LogStreamArn=_stream_arn(call, endpoint),
    )


def _guarded(parts: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from parts
    except ServerUnavailable as error:
        raise StreamError("ModelStreamError", f"The container ended its answer early: {error}.") from None


def _silent(
    call: Call, endpoint: str, invocation: Invocation, error: NoVariant | ServerUnavailable
) -> ServiceError:
    """The error for an invocation that no container answered."""
    if isinstance(error, NoVariant):
        return ValidationError(
            f"Variant {invocation.target} of endpoint {endpoint} of account {call.account} not found."
        )
    text = (
        "Your invocation timed out while waiting for a response from container primary. Review the latency metrics"
        " for each container in Amazon CloudWatch, resolve the issue, and try again."
        if error.timed_out
        else f"The container did not answer: {error}."
    )
    return ModelError(
        f'Received server error (0) from primary with message "{text}". {_see(call, endpoint)}',
        OriginalStatusCode=0,
        OriginalMessage=text,
        LogStreamArn=_stream_arn(call, endpoint),
    )


def _see(call: Call, endpoint: str) -> str:
    return (
        f"See https://{call.region}.console.aws.amazon.com/cloudwatch/home?region={call.region}"
        f"#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint} in account {call.account} for more"
        " information."
    )


def _stream_arn(call: Call, endpoint: str) -> str:
    return f"arn:aws:logs:{call.region}:{call.account}:log-group:/aws/sagemaker/Endpoints/{endpoint}"
