"""Who may look at the console: a one-time token opens it, then a cookie and a key of the page's own.

Whoever can read the home's credentials can write a token, so `sagelab open` asks nobody. Browsers send a cookie
to every port of a host, also to a server that a job may have opened there; the key is kept in the storage of the
page's origin, which no other port can read, and a request needs both.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

TOKEN_SECONDS = 3600  # from `sagelab open` to the login
SESSION_SECONDS = 12 * 3600  # since it was last used
SESSIONS = 64  # the one that was used least recently ends when there are more


@dataclass(frozen=True)
class Session:
    """A login. cookie: for the browser's cookie. key: for the page."""

    cookie: str
    key: str


def write_token(secret: str, instance: str, now: float | None = None) -> str:
    """A token for one login within an hour.

    secret: of the home. instance: which start of its local cloud; a token of an earlier one opens nothing.
    """
    expires = int(time.time() if now is None else now) + TOKEN_SECONDS
    words = f"{expires}.{secrets.token_urlsafe(18)}"
    return f"{words}.{_sign(secret, instance, words)}"


class Logins:
    """The tokens that were used and the sessions that are open; all of it ends with the process."""

    def __init__(self, secret: str, instance: str, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._instance, self._clock = secret, instance, clock
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}
        self._open: dict[str, tuple[str, float]] = {}

    def enter(self, token: str) -> Session | None:
        """A new session for a token; None: it is not one of ours, has expired or was used."""
        expires = self._read(token)
        with self._lock:
            now = self._clock()
            self._used = {each: until for each, until in self._used.items() if until > now}
            if expires is None or expires <= now or token in self._used:
                return None
            self._used[token] = expires
            session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
            while len(self._open) >= SESSIONS:
                del self._open[next(iter(self._open))]
            self._open[_hash(session.cookie)] = _hash(session.key), now + SESSION_SECONDS
            return session

    def admits(self, cookie: str, key: str) -> bool:
        """Whether both belong to one open session; it lasts longer for it."""
        name = _hash(cookie)
        with self._lock:
            expected, until = self._open.get(name, ("", 0.0))
            if until <= self._clock() or not hmac.compare_digest(expected, _hash(key)):
                return False
            del self._open[name]
            self._open[name] = expected, self._clock() + SESSION_SECONDS
            return True

    def leave(self, cookie: str) -> None:
        with self._lock:
            self._open.pop(_hash(cookie), None)

    def _read(self, token: str) -> int | None:
        words, _, signature = token.rpartition(".")
        if not hmac.compare_digest(_sign(self._secret, self._instance, words).encode(), signature.encode()):
            return None
        return int(words.partition(".")[0])


def _sign(secret: str, instance: str, words: str) -> str:
    return hmac.new(secret.encode(), f"console login {instance} {words}".encode(), hashlib.sha256).hexdigest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
