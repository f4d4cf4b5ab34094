"""The seam between the gateway and the resources: one call of one operation, and the families that answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sagelab.catalog import Kind
from sagelab.cloud.errors import ServiceError

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Params = dict[str, Any]


class Beside(ServiceError):
    """An error of a service beside SageMaker (CodeCommit, CodeBuild, ...), which has many of one meaning each."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass(frozen=True)
class Call:
    """One validated request.

    operation: the API's name, "CreateTrainingJob".
    params: parsed by botocore's shapes; timestamps are aware datetimes.
    region, account: where it is addressed. caller: the ARN of who calls. key: the id of the access key that has
    signed it, for Cloud.lend. It is values alone: some calls are rows of the store until they are done.
    """

    operation: str
    params: Params
    region: str
    account: str
    caller: str
    key: str = ""

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a SageMaker resource here: kind is "training-job", "endpoint", ..."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"


Handler = Callable[[Call], Params]
Method = TypeVar("Method", bound=Callable[..., Params])


def operation(name: str) -> Callable[[Method], Method]:
    """Declares a method to be the handler of an operation: "CreateTrainingJob"."""
    return _declare(lambda _: name)


def verb(name: str) -> Callable[[Method], Method]:
    """Declares a method to be the handler of a verb ("Describe") of every kind that has it.

    So a base serves several families. A method that overrides a handler is the handler.
    """
    return _declare(lambda kind: kind.operation(name) if kind and name in kind.verbs else None)


def _declare(name_for: Callable[[Kind | None], str | None]) -> Callable[[Method], Method]:
    def declare(method: Method) -> Method:
        method.__dict__["operation_for"] = name_for
        return method

    return declare


class Family:
    """The operations of one family of resources of one local cloud.

    service: whose operations they are, "sagemaker" or one beside it. kind: its row of the catalog, where it has
    one. needs: the families that it works with; it is made after
    them, with them as arguments.
    """

    service: ClassVar[str] = "sagemaker"
    kind: ClassVar[Kind | None] = None
    needs: ClassVar[tuple[type[Family], ...]] = ()

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.store = cloud, cloud.store

    @classmethod
    def declared(cls) -> dict[str, str]:
        """Operation -> the name of the method that handles it."""
        found = {}
        for base in reversed(cls.__mro__):
            for attribute, value in vars(base).items():
                name_for = getattr(value, "__dict__", {}).get("operation_for")
                if name_for and (name := name_for(cls.kind)):
                    found[name] = attribute
        return found

    def operations(self) -> Mapping[str, Handler]:
        """Operation -> its handler."""
        return {name: getattr(self, attribute) for name, attribute in self.declared().items()}

    def on_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Tags are about to be added to a resource of this kind. ServiceError: they are refused."""

    def close(self) -> None:
        """The local cloud ends: leave nothing running."""
