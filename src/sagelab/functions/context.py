"""The second argument of a handler: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

from __future__ import annotations

import os
import sys
import time
from typing import Any


class ClientContext:
    """What a mobile application told of itself with its call."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.custom, self.env = told.get("custom"), told.get("env")
        client = told.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class Client:
    def __init__(self, told: dict[str, Any]) -> None:
        self.installation_id, self.app_title = told.get("installation_id"), told.get("app_title")
        self.app_version_name, self.app_version_code = told.get("app_version_name"), told.get("app_version_code")
        self.app_package_name = told.get("app_package_name")


class CognitoIdentity:
    """Nobody here: functions are called by keys, not by identities of Cognito."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class LambdaContext:
    """call: what the local cloud tells of one call: "id", "arn", "deadline" (ms since the epoch), "client"."""

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id, self.invoked_function_arn = call["id"], call["arn"]
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.client_context = ClientContext(call["client"]) if isinstance(call.get("client"), dict) else None
        self.identity = CognitoIdentity()
        self._deadline = call["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        return max(int(self._deadline - time.time() * 1000), 0)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))
