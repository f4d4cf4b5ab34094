"""Every error that the local cloud tells somebody of, in one tree.

Those that only their own module raises are named here too: a test compares this with the classes that there are.

ServiceError                        what a client sees: AWS's code, AWS's message, an HTTP status
|-- ValidationException         400  a request that breaks a rule of the model or of the service
|-- SerializationException      400  a body that cannot be read as the model says
|-- UnknownOperation            400  an operation of SageMaker that nobody owns yet
|-- NotImplementedHere          400  what moto does not know, or would only say that it had done
|-- GaveUp                      400  moto crashed; not a 500, which a client would try again and again
|-- ResourceInUse               400  a name used twice
|-- ConflictException           400  what would not go together with what is there
|-- ResourceNotFound            400  a name nobody made
|-- ResourceLimitExceeded       400  more than this machine or AWS allows
|-- ValidationError             400  what the runtime plane and CloudWatch call a ValidationException
|   '-- PayloadTooLarge         413  an invocation over the limit
|-- InvalidParameterValue       400  of CloudWatch's, a value that it does not take
|-- InvalidParameterCombination 400  of CloudWatch's, two that exclude each other
|-- InvalidFormat               400  of CloudWatch's, data that are no JSON
|-- InvalidNextToken            400  of CloudWatch's, where no page begins
|-- NoSuchAlarm                 404  of CloudWatch's, an alarm that nobody made
|-- NothingToTag                404  of CloudWatch's, the same where tags are meant
|-- ModelError                  424  the container of an endpoint answered with an error, or not at all
|-- ModelNotReadyException      429  a model, or the container of a serverless endpoint, takes too long to start
|-- Throttling                  400  more invocations of a serverless endpoint at a time than it takes
|-- NoSuchEntity                404  a user or a role that IAM does not have
|-- MalformedPolicy             400  a policy that cannot be read
|-- PackedPolicyTooLarge        400  policies of a session that are too long together
|-- NoSuchPath                  404  a path that nobody serves
|-- InvalidUri                  400  a path to S3 that is no text
|-- InvalidBucketName           400  a path to S3 whose bucket nobody can make
|-- MalformedXml                400  a document for S3 that cannot be read
|-- RequestTooLarge             413  a request that is no object, over what is worked on in memory
|-- BadDigest                   400  a checksum that is not the body's
|-- MalformedTrailer            400  what comes after the chunks of a body, and cannot be read
|-- MissingLength               411  a body in chunks that does not say how long it is
|-- BadLength                   400  a body that is not as long as its headers say
|-- IncompleteBody              400  a body in signed chunks that ends early, or is in none
|-- EntityTooLarge              400  a body over S3's limit, or over that of a form's policy
|-- EntityTooSmall              400  a form's file under the limit of its policy
|-- InvalidArgument             400  a form without a field that it needs, or a value that is none
|-- KeyNotFound                 400  of KMS, a key of another region (auth/keys.py)
|-- KeyRefused                  400  of KMS, a key whose state or use forbids what is asked (key_rules.py)
|-- KeyUnusable                 400  of S3, a key of KMS that an object is under and that cannot be used (seals.py)
|-- InvalidPartNumber           416  of S3, a part that an object has not (object_parts.py)
|-- InvalidRequest              400  of S3, a part and a range at once (object_parts.py)
|-- InvalidPolicyDocument       400  a form's policy that cannot be read
|-- MalformedForm               400  a form that is not well-formed multipart/form-data
|-- FieldsTooLarge              400  too much before a form's file
|-- IncompleteSignature         403  an authorization that cannot be read
|-- FunctionNotFound            404  of Lambda, a function, a version or an alias that nobody made
|-- InvalidFunctionValue        400  of Lambda, a value that it does not take
|-- InvalidRequestContent       400  of Lambda, an event that is no JSON
|-- EventTooLarge               413  of Lambda, an event over its limit
|-- TooManyRequests             429  of Lambda, more calls at a time than there is room for
|-- InvalidAuthenticationCode   403  of an MFA device, a code that it does not show
|-- TooManyCodes                400  of an MFA device, more wrong codes than are looked at
|-- AccessDenied                403  no, missing or foreign credentials
|   |-- MissingAuthentication   403  no signature at all
|   |-- SignatureMismatch       403  a signature that does not fit the request
|   |-- PayloadMismatch         400  a body other than the one whose hash was signed
|   |-- InvalidToken            403  an access key nobody issued
|   |-- ExpiredToken            403  temporary credentials past their time
|   '-- ExpiredRequest          403  a clock that is off, or a presigned URL past its time
|-- Beside                      400  an error of a service beside SageMaker, by its code there
|-- TooManyConnections          503  no room for another connection, for the moment
|-- StorageUnavailable          503  the home cannot be written: a full disk, no descriptors, read only
'-- InternalFailure             500  a fault of the local cloud itself

StreamError                         ends an answer that comes in parts, as an event of it

JobError                            why a job ends as Failed; its text becomes FailureReason
|-- ClientError                      the user's input is at fault (data, archive, image)
|   |-- PullFailed                   an image whose environment cannot be made (engine/images)
|   '-- NotDownloaded                a model that S3 does not hand out there (engine/hosting/server.py)
|-- AlgorithmError                   the user's code is at fault
|-- NotStarted                       a notebook instance that cannot be opened (engine/notebooks/instance.py)
'-- InternalServerError              the local cloud is at fault, or was stopped

ControlError                        what did not go as asked, for a person: one sentence that says what to do
|-- NotRunning                       no local cloud runs on this home
|-- PortTaken                        another program listens there
|-- HomeRefused                      its file system takes nothing: full, read only, forbidden
|-- HomeDamaged                      a file of it cannot be read: says which, and what can be saved
|-- StartFailed                      the local cloud ended before it was ready
'-- BadImage                         a folder or a name that cannot stand for an image (images.py)
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

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


class TooManyConnections(ServiceError):
    """There is no room for another one now, and may be in a moment."""

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


class NotImplementedHere(ServiceError):
    code = "NotImplemented"


class GaveUp(ServiceError):
    code = "InternalFailure"


class ResourceInUse(ServiceError):
    code = "ResourceInUse"


class ConflictException(ServiceError):
    code = "ConflictException"


class ResourceNotFound(ServiceError):
    code = "ResourceNotFound"


class ResourceLimitExceeded(ServiceError):
    code = "ResourceLimitExceeded"


class ValidationError(ServiceError):
    code = "ValidationError"


class PayloadTooLarge(ValidationError):
    status = 413


class InvalidParameterValue(ServiceError):
    code = "InvalidParameterValue"


class InvalidParameterCombination(ServiceError):
    code = "InvalidParameterCombination"


class ModelError(ServiceError):
    code = "ModelError"
    status = 424


class ModelNotReadyException(ServiceError):
    code = "ModelNotReadyException"
    status = 429


class Throttling(ServiceError):
    code = "ThrottlingException"


class NoSuchEntity(ServiceError):
    code = "NoSuchEntity"
    status = 404


class FunctionNotFound(ServiceError):
    code = "ResourceNotFoundException"
    status = 404


class InvalidFunctionValue(ServiceError):
    code = "InvalidParameterValueException"


class PackedPolicyTooLarge(ServiceError):
    code = "PackedPolicyTooLarge"


class MalformedPolicy(ServiceError):
    code = "MalformedPolicyDocument"


class NoSuchPath(ServiceError):
    code = "NoSuchBucket"
    status = 404


class InvalidUri(ServiceError):
    code = "InvalidURI"


class InvalidBucketName(ServiceError):
    code = "InvalidBucketName"


class MalformedXml(ServiceError):
    code = "MalformedXML"


class BadLength(ServiceError):
    code = "BadRequest"


class IncompleteBody(ServiceError):
    code = "IncompleteBody"


class EntityTooLarge(ServiceError):
    code = "EntityTooLarge"


class RequestTooLarge(ServiceError):
    code = "RequestEntityTooLargeException"
    status = 413


class BadDigest(ServiceError):
    code = "BadDigest"


class MalformedTrailer(ServiceError):
    code = "MalformedTrailerError"


class MissingLength(ServiceError):
    code = "MissingContentLength"
    status = 411


class EntityTooSmall(ServiceError):
    code = "EntityTooSmall"


class InvalidArgument(ServiceError):
    code = "InvalidArgument"


class InvalidPolicyDocument(ServiceError):
    code = "InvalidPolicyDocument"


class MalformedForm(ServiceError):
    code = "MalformedPOSTRequest"


class FieldsTooLarge(ServiceError):
    code = "MaxPostPreDataLengthExceeded"


class IncompleteSignature(ServiceError):
    code = "IncompleteSignatureException"
    status = 403


class AccessDenied(ServiceError):
    code = "AccessDeniedException"
    status = 403


class MissingAuthentication(AccessDenied):
    code = "MissingAuthenticationTokenException"


class SignatureMismatch(AccessDenied):
    code = "InvalidSignatureException"


class PayloadMismatch(AccessDenied):
    code = "XAmzContentSHA256Mismatch"
    status = 400


class InvalidToken(AccessDenied):
    code = "UnrecognizedClientException"


class ExpiredToken(AccessDenied):
    code = "ExpiredTokenException"


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


class HomeDamaged(ControlError):
    def __init__(self, file: Path, what: str, advice: str) -> None:
        """what: is wrong with the file. advice: a sentence on what to do."""
        super().__init__(f"{file} {what}. {advice}")
        self.file, self.what, self.advice = file, what, advice


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
