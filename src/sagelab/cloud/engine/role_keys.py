"""The keys of a role for what runs in a host: short-lived, renewed when asked for, gone with the host."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.engine.sandbox.door import Keys

SESSION = {"RoleSessionName": "SageMaker"}


class RoleKeys:
    """The keys of `role`, from now on. botocore's ClientError: nobody may assume it.

    session: what AssumeRole is given beside the role: a name of the session, policies that limit it.
    """

    def __init__(
        self, sts: Any, role: str, end_key: Callable[[str, float], None], session: Mapping[str, Any] = SESSION
    ) -> None:
        self._sts, self._role, self._end_key, self._session = sts, role, end_key, dict(session)
        self._lock, self._given, self._ended = threading.Lock(), dict[str, float](), False
        self._renew()

    def offer(self) -> Keys:
        """The keys for a host's door, with a token that is new."""
        return Keys(secrets.token_urlsafe(32), self.read, self.end)

    def end(self) -> None:
        """The host is gone: none of its keys is good for anything, and there are no more."""
        with self._lock:
            self._ended = True
            for access_key, until in self._given.items():
                self._end_key(access_key, until)

    def read(self) -> bytes:
        """Keys that are good for half of their time at least, as AWS's container endpoint has them."""
        with self._lock:
            if self._ended:
                raise RuntimeError("the host has ended")
            if datetime.now(UTC) >= self._half:
                self._renew()
            return self._text

    def _renew(self) -> None:
        keys = self._sts.assume_role(RoleArn=self._role, **self._session)["Credentials"]
        now, until = datetime.now(UTC), keys["Expiration"]
        self._given[keys["AccessKeyId"]] = until.timestamp()
        self._half = now + (until - now) / 2
        text = {
            "RoleArn": self._role,
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["SecretAccessKey"],
            "Token": keys["SessionToken"],
            "Expiration": until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self._text = json.dumps(text).encode()
