"""The access keys that the local cloud answers to, and the STS operations that depend on them.

moto answers GetSessionToken and GetFederationToken with one published key pair, which would let anyone in;
so the first is ours, and the second is refused. To GetCallerIdentity it says who a role is by now, not who it was.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from sagelab.cloud.errors import AccessDenied, HomeDamaged, InvalidToken, NotImplementedHere, ValidationException
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.home import NEW_SESSIONS, SESSIONS, Home, write_private

# The operations of STS that moto must not answer.
STS_OPERATIONS = ("GetCallerIdentity", "GetFederationToken", "GetSessionToken")
MFA_OPERATIONS = ("ResyncMFADevice",)
_WITH_CODE = ("AssumeRole", "GetSessionToken")
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
_IAM = "https://iam.amazonaws.com/doc/2010-05-08/"
_LONGEST_SESSION = 36 * 3600
_LENT = 3600.0  # seconds for which keys are lent at least


class Identities:
    """Keys by their id: the home's own, sessions made from a key, and what moto issued."""

    def __init__(self, home: Home, moto: MotoFront, services: Mapping[str, tuple[str, str]]) -> None:
        """services: (id, secret) of the keys of AWS's services, by their names."""
        self._home, self._moto = home, moto
        self._services = {
            access_key: Key(access_key, secret, name, name, home.account, service=name)
            for name, (access_key, secret) in services.items()
        }
        own = home.credentials()
        who = (home.caller_arn, "", home.account)
        self._own = Key(own.access_key_id, own.secret_access_key, *who, owner=True)
        self._sessions = {key.access_key: key for key in _kept_sessions(home)}
        self._lent: dict[str, Key] = {}  # keys that services of AWS's act with for somebody
        self._borrowed: dict[Key, Key] = {}  # somebody's key -> the last that was lent of it
        self._lock = threading.Lock()

    def find(self, access_key: str) -> Key | None:
        if access_key == self._own.access_key:
            return self._own
        own = self._services.get(access_key) or self._sessions.get(access_key) or self._lent.get(access_key)
        return own or self._moto.key(access_key)

    def lend(self, access_key: str, seconds: float) -> tuple[str, str, str | None]:
        """Keys of a session with the rights of a key, good for so many seconds at least and in this process alone.

        What a service of AWS's does for somebody it does with such: it can do no more than who asked.
        InvalidToken: the key is no more.
        """
        key, now = self.find(access_key), time.time()
        if key is None:
            raise InvalidToken("The security token included in the request is invalid.")
        with self._lock:
            self._borrowed = {of: one for of, one in self._borrowed.items() if (one.expires or 0) > now}
            found = self._borrowed.get(key)
            if found is None or (found.expires or 0) < now + seconds:
                name, secret, token = "ASIA" + secrets.token_hex(8).upper(), *map(secrets.token_urlsafe, (30, 96))
                until = now + 2 * max(seconds, _LENT)
                found = replace(key, access_key=name, secret=secret, token=token, expires=until)
                self._borrowed[key] = found
                alive = {each: one for each, one in self._lent.items() if (one.expires or 0) > now}
                self._lent = alive | {name: found}
        return found.access_key, found.secret, found.token

    def take_code(self, context: Context) -> None:
        """A caller of STS who shows the code of an MFA device is known by it, to the policies that are asked next.

        AccessDenied: the code is none, or the device is another's.
        """
        form, key = context.request.form, context.caller.key
        asked = context.service == "sts" and form.get("Action") in _WITH_CODE
        if asked and (form.get("SerialNumber") or form.get("TokenCode")):
            self._moto.take_code(key.arn, form.get("SerialNumber", ""), form.get("TokenCode", ""))
            context.caller = replace(context.caller, key=replace(key, mfa=time.time()))

    def resync(self, context: Context) -> Answer | None:
        """The answer to ResyncMFADevice, which moto does not know; None where something else is asked."""
        if context.service != "iam" or context.operation not in MFA_OPERATIONS:
            return None
        self._moto.resync(context.caller.key.account, context.request.form)
        return _answer("ResyncMFADevice", "", _IAM)

    def answer(self, context: Context) -> Answer | None:
        """The answer to an STS request that is ours; None where it is moto's."""
        if context.service != "sts":
            return None
        key, request = context.caller.key, context.request
        match request.form.get("Action"):
            case "GetCallerIdentity":
                return self._caller(key)
            case "GetSessionToken":
                return self._session(key, request.form.get("DurationSeconds", "43200"))
            case "GetFederationToken":
                raise NotImplementedHere("sts GetFederationToken is not something the local cloud can do.")
        return None

    def _caller(self, key: Key) -> Answer:
        fields = {"Arn": key.arn, "UserId": self.user_id(key), "Account": key.account}
        return _answer("GetCallerIdentity", _elements(fields))

    def user_id(self, key: Key) -> str:
        """The unique id of a key's holder."""
        return key.user_id or self._own_id()

    def _own_id(self) -> str:
        """RoleId:session, as AWS has it for a role's session."""
        name = self._home.role_arn.rpartition("/")[2]
        made = "AROA" + hashlib.sha256(self._home.role_arn.encode()).hexdigest()[:17].upper()
        role = self._moto.role_id(self._home.account, name) or made
        return f"{role}:{self._home.caller_arn.rpartition('/')[2]}"

    def _session(self, parent: Key, asked: str) -> Answer:
        if parent.token is not None:
            raise AccessDenied("Cannot call GetSessionToken with session credentials")
        if not asked.isdecimal() or not 900 <= int(asked[:9]) <= _LONGEST_SESSION:
            raise ValidationException(f"DurationSeconds must be between 900 and {_LONGEST_SESSION}.")
        key = self._keep(parent, int(asked))
        until = datetime.fromtimestamp(key.expires or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = {"AccessKeyId": key.access_key, "SecretAccessKey": key.secret, "SessionToken": key.token}
        inside = _elements({**fields, "Expiration": until})
        return _answer("GetSessionToken", f"<Credentials>{inside}</Credentials>")

    def _keep(self, parent: Key, lifetime: int) -> Key:
        now = time.time()
        name, secret = "ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
        user_id = self.user_id(parent)
        who, token = (parent.arn, user_id, parent.account), secrets.token_urlsafe(96)
        key = Key(name, secret, *who, token, now + lifetime, owner=parent.owner, issued=now, mfa=parent.mfa)
        with self._lock:
            self._sessions = {k: v for k, v in self._sessions.items() if (v.expires or 0) > now} | {name: key}
            kept = {name: asdict(session) for name, session in self._sessions.items()}
            write_private(self._home.path / SESSIONS, kept)
        return key


def _kept_sessions(home: Home) -> list[Key]:
    try:
        return [Key(**fields) for fields in home.sessions().values()]
    except TypeError as error:
        raise HomeDamaged(home.path / SESSIONS, f"is damaged ({error})", NEW_SESSIONS) from error


def _elements(fields: Mapping[str, str | None]) -> str:
    return "".join(f"<{name}>{escape(text or '')}</{name}>" for name, text in fields.items())


def _answer(operation: str, inside: str, namespace: str = _STS) -> Answer:
    answer = Answer(200, [("Content-Type", "text/xml")])
    result = f"<{operation}Result>{inside}</{operation}Result>"
    meta = f"<ResponseMetadata><RequestId>{answer.request_id}</RequestId></ResponseMetadata>"
    body = f'<{operation}Response xmlns="{namespace}">{result}{meta}</{operation}Response>'.encode()
    return Answer(200, [*answer.headers, ("x-amzn-RequestId", answer.request_id)], body, answer.request_id)
