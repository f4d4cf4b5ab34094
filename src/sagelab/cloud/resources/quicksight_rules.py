"""What all of QuickSight's operations have in common: ARNs, answers, and what is refused by its name."""

from __future__ import annotations

import uuid
from typing import Any

from sagelab.cloud.resources.call import Beside, Call, Params

SOURCE, DATA, INGESTION = "quicksight-datasource", "quicksight-dataset", "quicksight-ingestion"
DASHBOARD, USER = "quicksight-dashboard", "quicksight-user"
_PLACES = {SOURCE: "datasource", DATA: "dataset", DASHBOARD: "dashboard", USER: "user/default"}
_ALWAYS = ("AwsAccountId", "Tags")


def arn_of(call: Call, kind: str, name: str) -> str:
    return f"arn:aws:quicksight:{call.region}:{call.account}:{_PLACES[kind]}/{name}"


def answer(status: int = 200, **members: Any) -> Params:
    return {"Status": status, "RequestId": str(uuid.uuid4()), **members}


def bad(message: str) -> Beside:
    return Beside("InvalidParameterValueException", message)


def missing(what: str, name: str) -> Beside:
    return Beside("ResourceNotFoundException", f"{what} {name} is not found")


def taken(what: str, name: str) -> Beside:
    return Beside("ResourceExistsException", f"{what} {name} already exists")


def check(call: Call, *honoured: str) -> None:
    """Beside: it is of another account, or has a member that nothing here honours."""
    account = call.params.get("AwsAccountId", call.account)
    if account != call.account:
        raise Beside("ResourceNotFoundException", f"Directory information for account {account} is not found.")
    refuse(call.params, (*_ALWAYS, *honoured))


def refuse(params: Params, honoured: tuple[str, ...], path: str = "") -> None:
    """Beside: it has a member beside those."""
    for name, value in params.items():
        if name not in honoured and value not in (None, [], {}):
            raise bad(f"{path}{name} is not something the local cloud can do.")


def tags_of(params: Params) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in params.get("Tags") or []}
