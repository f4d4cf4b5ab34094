"""QuickSight's users: records, by which an address of a dashboard is asked for.

https://docs.aws.amazon.com/quicksight/latest/APIReference/API_RegisterUser.html
"""

from __future__ import annotations

import uuid

from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.quicksight_rules import USER, answer, arn_of, bad, check, tags_of, taken
from sagelab.cloud.store import Document, Exists, Missing, Resource

NAMESPACE = "default"
ROLES = ("ADMIN", "AUTHOR", "READER")


class DashboardUsers(Family):
    """The users of one local cloud."""

    service = "quicksight"

    @operation("RegisterUser")
    def register(self, call: Call) -> Params:
        _check(call, "IdentityType", "Email", "UserRole", "IamArn", "SessionName", "UserName")
        params, kind = call.params, call.params["IdentityType"]
        if kind == "IAM":
            arn = params.get("IamArn") or ""
            if not arn.startswith(f"arn:aws:iam::{call.account}:"):
                raise bad("IamArn: an IAM user or role of this account is registered.")
            name = "/".join(filter(None, (arn.rpartition("/")[2], params.get("SessionName"))))
        else:
            name = params.get("UserName") or params["Email"]
        if kind not in ("IAM", "QUICKSIGHT") or params["UserRole"] not in ROLES:
            raise bad(f"{kind} {params['UserRole']} is not something the local cloud can do.")
        user = {
            "Arn": arn_of(call, USER, name),
            "UserName": name,
            "Email": params["Email"],
            "Role": params["UserRole"],
            "IdentityType": kind,
            "Active": True,
            "PrincipalId": f"{kind.lower()}/{uuid.uuid4()}",
        }
        try:
            self.store.add(Resource(user["Arn"], USER, call.region, name, "", user), tags_of(params))
        except Exists:
            raise taken("User", name) from None
        return answer(201, User=user)

    @operation("DescribeUser")
    def describe(self, call: Call) -> Params:
        _check(call, "UserName")
        return answer(User=self._find(call))

    @operation("ListUsers")
    def list_users(self, call: Call) -> Params:
        _check(call, "NextToken", "MaxResults")
        return answer(**listing.page(call, "UserList", list(self.store.documents(USER, call.region)), 100))

    @operation("DeleteUser")
    def delete(self, call: Call) -> Params:
        _check(call, "UserName")
        self.store.remove(self._find(call)["Arn"])
        return answer()

    def _find(self, call: Call) -> Document:
        name = call.params["UserName"]
        try:
            return self.store.get(arn_of(call, USER, name))
        except Missing:
            raise Beside("ResourceNotFoundException", f"User {name} is not found") from None


def _check(call: Call, *honoured: str) -> None:
    check(call, "Namespace", *honoured)
    if call.params["Namespace"] != NAMESPACE:
        raise Beside("ResourceNotFoundException", f"Namespace {call.params['Namespace']} is not found")
