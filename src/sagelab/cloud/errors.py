"""Every error the local cloud answers with, in one tree.

ServiceError                 what a client sees: AWS's code, AWS's message, an HTTP status
|-- ValidationException      400  a request that breaks a rule of the model or of the service
|-- SerializationException   400  a body that cannot be read as the model says
|-- UnknownOperation         400  an operation nobody owns yet
|-- ResourceInUse            400  a name used twice
|-- ResourceNotFound         400  a name nobody made
|-- ResourceLimitExceeded    400  more than this machine or AWS allows
    |-- ValidationError          400  what the runtime plane calls a ValidationException
    |   '-- PayloadTooLarge      413  an invocation over the limit
    |-- ModelError               424  the container of an endpoint answered with an error, or not at all
|-- AccessDenied             403  no, missing or foreign credentials
|   |-- MissingAuthentication     no signature at all
|   |-- SignatureMismatch         a signature that does not fit the request
|   |-- InvalidToken              an access key nobody issued
|   '-- ExpiredRequest            a clock that is off, or a presigned URL past its time
|-- StorageUnavailable                   503  the home cannot be written: a full disk, no descriptors, read only
'-- InternalFailure          500  a fault of the local cloud itself

JobError                     why a job ends as Failed; its text becomes FailureReason
|-- ClientError                   the user's input is at fault (data, archive, image)
|-- AlgorithmError                the user's code is at fault
'-- InternalServerError           the local cloud is at fault, or was stopped

ControlError                 a start or an end that did not go as asked; one sentence that says what to do
|-- NotRunning                    no local cloud runs on this home
|-- PortTaken                     another program listens there
|-- HomeRefused                   its file system takes nothing: full, read only, forbidden
'-- StartFailed                   the local cloud ended before it was ready
"""

from __future__ import annotations

import errno
import logging
import sqlite3

log = logging.getLogger("sagelab")

FAILURE_REASON_LIMIT = 1024


class ServiceError(Exception):
    """An answer other than success. `code` and `message` go out in the form AWS uses for the protocol."""

    code = "ServiceException"
    status = 400

    def __init__(self, message: str, **details: str | int) -> None:
        """details: members of the error's shape beside its message."""
        super().__init__(message)
        self.message, self.details = message, details


class StorageUnavailable(ServiceError):
    """The change could not be written down, so it was not made."""

    code = "ServiceUnavailable"
    status = 503


_UNWRITABLE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EIO)
)


def is_unwritable(error: Exception) -> bool:
    """Whether an error says that the home cannot be written now, and may be later."""
    return isinstance(error, sqlite3.OperationalError) or (
        isinstance(error, OSError) and error.errno in _UNWRITABLE
    )


def storage_unavailable(error: Exception) -> StorageUnavailable:
    """What a client is told of an error for which `is_unwritable`."""
    log.error("a change could not be written down: %s", error)
    reason = getattr(error, "strerror", None) or error
    return StorageUnavailable(f"The local cloud cannot write to its home: {reason}. Nothing was changed.")


class ValidationException(ServiceError):
    code = "ValidationException"


class SerializationException(ServiceError):
    code = "SerializationException"


class UnknownOperation(ServiceError):
    code = "UnknownOperationException"


class ResourceInUse(ServiceError):
    code = "ResourceInUse"


class ResourceNotFound(ServiceError):
    code = "ResourceNotFound"


class ResourceLimitExceeded(ServiceError):
    code = "ResourceLimitExceeded"


class ValidationError(ServiceError):
    code = "ValidationError"


class PayloadTooLarge(ValidationError):
    status = 413


class ModelError(ServiceError):
    code = "ModelError"
    status = 424


class AccessDenied(ServiceError):
    code = "AccessDeniedException"
    status = 403


class MissingAuthentication(AccessDenied):
    code = "MissingAuthenticationTokenException"


class SignatureMismatch(AccessDenied):
    code = "InvalidSignatureException"


class InvalidToken(AccessDenied):
    code = "UnrecognizedClientException"


class ExpiredRequest(AccessDenied):
    code = "RequestExpired"


class InternalFailure(ServiceError):
    code = "InternalFailure"
    status = 500


class StreamError(Exception):
    """Ends an answer that comes in parts. kind: the error's shape in the stream ("ModelStreamError")."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class JobError(Exception):
    """Ends a job as Failed. `str()` is its FailureReason, at most 1,024 characters as AWS has it."""

    prefix = ""

    def __str__(self) -> str:
        return f"{self.prefix}: {super().__str__()}"[:FAILURE_REASON_LIMIT]


class ClientError(JobError):
    prefix = "ClientError"


class AlgorithmError(JobError):
    prefix = "AlgorithmError"


class InternalServerError(JobError):
    prefix = "InternalServerError"


class ControlError(Exception):
    """What a person is told in one sentence where a local cloud could not be started, reached or ended."""


class NotRunning(ControlError):
    pass


class PortTaken(ControlError):
    pass


class HomeRefused(ControlError):
    @classmethod
    def of(cls, error: OSError) -> HomeRefused | None:
        """What `error` says, where it is a file system that refuses to be written."""
        if error.errno not in _UNWRITABLE:
            return None
        where = f" to {error.filename}" if error.filename else ""
        return cls(f"sagelab cannot write{where}: {error.strerror}. SAGELAB_HOME names another folder.")


class StartFailed(ControlError):
    pass
