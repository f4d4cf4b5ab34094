"""SageMaker's planes, and services beside it, in the chain: an operation is found, parsed, validated and handed to
its family.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sagelab.cloud.errors import (
    InternalFailure,
    ServiceError,
    UnknownOperation,
    is_unwritable,
    storage_unavailable,
)
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.wire import protocol, validation
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.planes import CONTROL, Planes
from sagelab.cloud.resources import absent
from sagelab.cloud.resources.call import Call, Family, Handler
from sagelab.cloud.store import Store

_log = logging.getLogger("sagelab")


class SageMaker:
    """Four handlers of the chain, which leave a request to any other service alone."""

    def __init__(self, families: Iterable[Family], store: Store) -> None:
        self._handlers, self._store = _merged(families), store
        self.planes = Planes()

    def find(self, context: Context) -> None:
        """Which operation it is. UnknownOperation: SageMaker has none such, or nobody runs it here."""
        if not context.is_ours:
            return
        context.found = self.planes.find(context.request, context.service)
        if self._handler(context) is None:
            raise UnknownOperation(
                f"{context.operation} is not something the local cloud runs yet; "
                "docs/operations.md lists what it does."
            )

    def parse(self, context: Context) -> None:
        """What it is given. Serialization- or ValidationException: it is not in the model's form."""
        if context.found:
            key, params = context.caller.key, protocol.parse(context.found, context.request)
            who = (key.account, key.arn, key.access_key)
            context.call = Call(context.operation, params, context.region, *who)

    def validate(self, context: Context) -> None:
        """ValidationException: it breaks rules of the model."""
        if context.found and context.call and (shape := context.found.model.input_shape) is not None:
            validation.validate(shape, context.call.params)

    def answer(self, context: Context) -> Answer | None:
        """What the family answers. ServiceError: it refuses, or has failed."""
        if not (context.found and context.call and (handler := self._handler(context))):
            return None
        try:
            with self._store.refusing():
                output = handler(context.call)
            return protocol.answer(context.found, output)
        except ServiceError:
            raise
        except Exception as error:
            if is_unwritable(error):
                raise storage_unavailable(error) from None
            _log.exception("%s failed", context.operation)
            reason = f"{context.operation} failed inside the local cloud; its log has the traceback."
            raise InternalFailure(reason) from None

    def _handler(self, context: Context) -> Handler | None:
        """What answers the operation that was found: its family, or the one answer for what is never here."""
        if context.found is None:
            return None
        service = context.found.service
        handler = self._handlers.get((service, context.operation))
        return handler or (absent.find(context.found.model) if service == CONTROL else None)


def _merged(families: Iterable[Family]) -> dict[tuple[str, str], Handler]:
    """(service, operation) -> its handler. ValueError: an operation with two owners."""
    table: dict[tuple[str, str], Handler] = {}
    for family in families:
        for name, handler in family.operations().items():
            if (family.service, name) in table:
                raise ValueError(f"{name} has two owners.")
            table[family.service, name] = handler
    return table
