"""Git over smart HTTP at the addresses of CodeCommit's repositories: `git clone`, `git fetch`, `git push`.

/v1/repos/NAME/info/refs, /git-upload-pack and /git-receive-pack are answered by git itself; no other path of a
repository is served. Who calls says it as the AWS CLI's credential helper does (auth/git_credentials.py).
https://git-scm.com/docs/http-protocol
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sagelab.cloud.errors import RequestTooLarge, ServiceError
from sagelab.cloud.gateway.auth import git_credentials
from sagelab.cloud.gateway.auth.guard import Guard
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.permissions import Permissions
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.resources.call import Family
from sagelab.cloud.resources.repositories import PUSH_LIMIT, Exchange, Repositories

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

_PATH = re.compile(r"(/v1/repos/([\w.-]{1,100}))/(info/refs|git-upload-pack|git-receive-pack)", re.ASCII)
_ACTIONS = {"git-upload-pack": "codecommit:GitPull", "git-receive-pack": "codecommit:GitPush"}
_VERSION = re.compile(r"version=([12])")
_SIGN_IN = "Sign in as `aws codecommit credential-helper` does."
_REALM = ("WWW-Authenticate", 'Basic realm="CodeCommit"')


class GitFront:
    """A handler of the chain: the requests of git's clients."""

    def __init__(self, cloud: Cloud, families: Iterable[Family], guard: Guard, permissions: Permissions) -> None:
        self._cloud, self._guard, self._permissions = cloud, guard, permissions
        self._repositories = next((each for each in families if isinstance(each, Repositories)), None)

    def answer(self, context: Context) -> Answer | None:
        """git's answer; None where it is not git that asks."""
        request = context.request
        found = _PATH.fullmatch(request.path)
        if found is None or self._repositories is None:
            return None
        place, name, action = found.groups()
        service = request.parameters.get("service", "") if action == "info/refs" else action
        if service not in _ACTIONS or request.method != ("GET" if action == "info/refs" else "POST"):
            return _plain(403, "Only smart HTTP is spoken here.")
        if request.header("authorization") is None:
            return _plain(401, _SIGN_IN, _REALM)
        try:
            region = self._identify(context, place, name, service)
            return self._speak(self._repositories, context, (region, name, action, service))
        except RequestTooLarge:
            return _plain(413, f"A push has {PUSH_LIMIT >> 20} MB at the most.")
        except ServiceError as error:
            return _plain(error.status, error.message)

    def _identify(self, context: Context, place: str, name: str, service: str) -> str:
        """The region of the repository that somebody has signed for, who may do what is asked there."""
        assert self._repositories is not None
        regions = [each["Arn"].split(":")[3] for each in self._repositories.everywhere(name)]
        claim, request = git_credentials.read(context.request), context.request
        context.caller = self._guard.identify_git(claim, place, request, [*regions, self._cloud.region])
        context.named = _ACTIONS[service].partition(":")[2]
        arn = f"arn:aws:codecommit:{context.region}:{self._cloud.account}:{name}"
        if not context.caller.key.owner:
            self._permissions.hold(context, [Needed(_ACTIONS[service], arn)])
        return context.region

    def _speak(self, repositories: Repositories, context: Context, asked: tuple[str, str, str, str]) -> Answer:
        region, name, action, service = asked
        record = repositories.lookup(region, self._cloud.account, name)
        if record is None:
            return _plain(404, f"repository {name} not found")
        request = context.request
        request.read(PUSH_LIMIT)
        version = _VERSION.fullmatch(request.header("git-protocol") or "")
        with _body(request) as body:
            exchange = Exchange(
                action,
                service,
                body,
                request.size,
                request.header("content-type") or "",
                request.header("content-encoding") in ("gzip", "x-gzip"),
                version[1] if version else "",
            )
            spoken = repositories.speak(record, exchange, context.caller.key.arn)
        return Answer(spoken.status, spoken.headers, stream=spoken.parts)


@contextmanager
def _body(request: Request) -> Iterator[int]:
    """A descriptor that a request's body is read from."""
    with request.rewound() as body:
        if isinstance(body, io.BytesIO):
            descriptor = os.memfd_create("body")
            with os.fdopen(os.dup(descriptor), "wb") as copy:
                copy.writelines(request.pieces())
        else:
            body.flush()
            descriptor = os.dup(body.fileno())
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _plain(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return Answer(status, [kind, *headers], f"{text}\n".encode())
