"""What a script raises to be answered with a status of its own."""

from __future__ import annotations

from sagelab.serving.errors import BadRequest


class ClientError(Exception):
    """The request is at fault."""


class UnsupportedFormatError(Exception):
    """Nothing reads or writes such a content type."""

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Content type {content_type} is not supported by this framework.")


class BaseInferenceToolkitError(BadRequest):
    """An answer with a status. message: its body. phrase: the toolkit's word beside the status."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(message, int(status_code))
        self.status_code, self.message, self.phrase = status_code, message, phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """Any status."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)


class BadRequestInferenceToolkitError(BaseInferenceToolkitError):
    """400."""

    def __init__(self, phrase: str) -> None:
        super().__init__(400, "Bad Request", phrase)
