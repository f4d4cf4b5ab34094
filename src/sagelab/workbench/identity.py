"""Who may use the JupyterLab of a notebook instance: whoever came by a presigned address, for as long as it says.

Loaded by Jupyter (ServerApp.identity_provider_class). The server has no token of its own: what a page gets is a
cookie that ends with the session.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler

from sagelab.workbench import tokens

EXPIRED = (
    "<!doctype html><title>Notebook instance</title><p>This address opens nothing, or no longer: it is valid for"
    " five minutes, and the session that it began has an end. Ask for a new one with"
    " CreatePresignedNotebookInstanceUrl, or with <em>Open JupyterLab</em> in the console."
)


@dataclass
class Guest(User):
    """The user of one session. until: its end, in epoch seconds."""

    until: float = 0.0


class Expired(JupyterHandler):
    """Stands where Jupyter's login form would: there is no password to type."""

    @allow_unauthenticated
    def get(self) -> None:
        self.set_status(403)
        self.finish(EXPIRED)


class Presigned(IdentityProvider):
    """Takes a presigned address's token for a session, and the session's cookie after that."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.token = ""
        self.login_handler_class = Expired
        self.cookie_options = {"samesite": "Strict"}
        self._key = os.environ.pop(tokens.KEY)  # no kernel inherits it

    def get_token(self, handler: Any) -> str:
        """AWS's name for it in an address, and Jupyter's own header."""
        found: str = handler.get_argument("authToken", "") or super().get_token(handler) or ""
        return found

    async def get_user_token(self, handler: Any) -> User | None:
        session = tokens.read(self._key, self.get_token(handler), time.time())
        if session is None:
            return None
        return Guest("ec2-user", "ec2-user", "ec2-user", "ec", until=time.time() + session)

    def user_to_cookie(self, user: User) -> str:
        assert isinstance(user, Guest)
        return json.dumps({"username": user.username, "until": user.until})

    def user_from_cookie(self, cookie_value: str) -> User | None:
        found = json.loads(cookie_value)
        name = found["username"]
        return Guest(name, name, name, "ec", until=found["until"]) if time.time() < found["until"] else None
