"""What KMS takes as a key's policy: one that can be read, and that does not shut out whoever gives it.

https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import JsonRESTError

from sagelab.cloud.gateway.auth import principals, verdict
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.policies import read
from sagelab.cloud.gateway.auth.verdict import Guarded
from sagelab.cloud.gateway.moto import hook, iam, policies

_MALFORMED = "MalformedPolicyDocumentException"
_LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."


def check_policy(asked: dict[str, Any]) -> None:
    """The arguments of moto's method that makes a key or gives it a policy; None asks for the one by default.

    MalformedPolicyDocumentException: it is no policy, or who asks could not change it again and did not ask with
    BypassPolicyLockoutSafetyCheck. LimitExceededException: it is too long.
    """
    if asked["policy"] is None:
        return
    policies.check_key(asked)
    context = hook.asked()
    if context is None or context.service != "kms":  # a stack asks with nobody's key
        return
    if json.loads(context.request.content()).get("BypassPolicyLockoutSafetyCheck") is True:
        return
    key, keys = context.caller.key, asked["self"]
    made = "key_id" not in asked
    needed = Needed("kms:PutKeyPolicy", None if made else keys.keys[keys.get_key_id(asked["key_id"])].arn)
    guarded = Guarded(read(asked["policy"]), decides=True)
    known = dict(principals.values(context.caller, context.request)) | iam.tags_of(key)
    if verdict.reach(key, iam.rights_of(key), guarded, needed, known).effect != "allowed":
        raise JsonRESTError(_MALFORMED, _LOCKED_OUT)
