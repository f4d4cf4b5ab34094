"""The runtime plane: InvokeEndpoint and InvokeEndpointWithResponseStream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.endpoint import Endpoint, Invocation, NoVariant
from sagelab.cloud.engine.hosting.serverless import Declined, Throttled
from sagelab.cloud.engine.hosting.targets import BadTarget, ModelNotReady
from sagelab.cloud.errors import (
    ModelError,
    ModelNotReadyException,
    PayloadTooLarge,
    ServiceError,
    StreamError,
    Throttling,
    ValidationError,
)
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.endpoints import Endpoints

REFUSED = "EnableExplanations InferenceComponentName SessionId PrefixAwareId".split()
SILENCE = (NoVariant, BadTarget, ModelNotReady, Declined, ServerUnavailable)  # nobody answers


class Invocations(Family):
    """Invocations of the endpoints of one local cloud."""

    needs = (Endpoints,)

    def __init__(self, cloud: Cloud, endpoints: Endpoints) -> None:
        super().__init__(cloud)
        self.endpoints = endpoints

    @operation("InvokeEndpoint")
    def invoke(self, call: Call) -> Params:
        endpoint, invocation = self._find_direct(call), read(call.params, call.params.get("Body", b""))
        variant, reply = self.ask(call, endpoint, invocation)
        return {
            "Body": reply.body,
            "ContentType": reply.headers.get("content-type"),
            "InvokedProductionVariant": variant,
            "CustomAttributes": reply.headers.get("x-amzn-sagemaker-custom-attributes"),
        }

    @operation("InvokeEndpointWithResponseStream")
    def invoke_stream(self, call: Call) -> Params:
        """The container's answer in parts, each as soon as it comes."""
        endpoint, invocation = self._find_direct(call), read(call.params, call.params.get("Body", b""))
        try:
            variant, reply, parts = endpoint.stream(invocation)
        except SILENCE as error:
            raise _silent(call, endpoint.name, invocation, error) from None
        if reply.status >= 400:
            raise _refused(call, endpoint.name, replace(reply, body=b"".join(parts)))
        return {
            "Body": _guarded(parts),
            "ContentType": reply.headers.get("content-type"),
            "InvokedProductionVariant": variant,
            "CustomAttributes": reply.headers.get("x-amzn-sagemaker-custom-attributes"),
        }

    def find(self, call: Call) -> Endpoint:
        """The endpoint that a call is for. ValidationError: it does not serve, or not what is asked."""
        for name in REFUSED:
            if call.params.get(name):
                raise ValidationError(f"{name}: the local cloud's endpoints do not do that.")
        name = call.params["EndpointName"]
        endpoint = self.endpoints.running.get(call.arn("endpoint", name))
        if endpoint is None or endpoint.fleet is None:
            raise ValidationError(f"Endpoint {name} of account {call.account} not found.")
        return endpoint

    def _find_direct(self, call: Call) -> Endpoint:
        """An endpoint that answers whoever asks. ValidationError: it is asynchronous, besides."""
        endpoint = self.find(call)
        if endpoint.asynchronous:
            raise ValidationError(
                f"Endpoint {endpoint.name} of account {call.account} is an asynchronous endpoint: use"
                " InvokeEndpointAsync."
            )
        return endpoint

    def ask(self, call: Call, endpoint: Endpoint, invocation: Invocation) -> tuple[str, Reply]:
        """(variant, reply) of a container that answered well. ModelError, ValidationError: none did."""
        try:
            variant, reply = endpoint.invoke(invocation)
        except SILENCE as error:
            raise _silent(call, endpoint.name, invocation, error) from None
        if reply.status >= 400:
            raise _refused(call, endpoint.name, reply)
        return variant, reply


def read(params: Params, body: bytes) -> Invocation:
    """What a request asks of a container. body: its input."""
    return Invocation(
        body=body,
        content_type=params.get("ContentType") or "application/octet-stream",
        accept=params.get("Accept") or "*/*",
        custom=params.get("CustomAttributes"),
        target=params.get("TargetVariant"),
        inference_id=params.get("InferenceId"),
        container=params.get("TargetContainerHostname"),
        model=params.get("TargetModel"),
    )


def _refused(call: Call, endpoint: str, reply: Reply) -> ModelError:
    side = "client" if reply.status < 500 else "server"
    text = reply.body.decode("utf-8", "replace")
    return ModelError(
        f'Received {side} error ({reply.status}) from {reply.container} with message "{text}".'
        f" {_see(call, endpoint)}",
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
    call: Call,
    endpoint: str,
    invocation: Invocation,
    error: NoVariant | BadTarget | ModelNotReady | Declined | ServerUnavailable,
) -> ServiceError:
    """The error for an invocation that no container answered."""
    if isinstance(error, Declined):
        return (Throttling if isinstance(error, Throttled) else PayloadTooLarge)(str(error))
    if isinstance(error, BadTarget):
        return ValidationError(str(error))
    if isinstance(error, ModelNotReady):
        return ModelNotReadyException(
            "Either a serverless endpoint variant's resources are still being provisioned, or a multi-model"
            " endpoint is still downloading or loading the target model. Wait and try your request again."
        )
    if isinstance(error, NoVariant):
        return ValidationError(
            f"Variant {invocation.target} of endpoint {endpoint} of account {call.account} not found."
        )
    text = (
        f"Your invocation timed out while waiting for a response from container {error.container}. Review the"
        " latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
        if error.timed_out
        else f"The container did not answer: {error}."
    )
    return ModelError(
        f'Received server error (0) from {error.container} with message "{text}". {_see(call, endpoint)}',
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
