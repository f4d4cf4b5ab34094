"""The gateway: what a request meets on its way, in one list.

Each handler takes what is known of the request and returns its answer, or None where it is the next one's to
answer. Whatever is raised on the way is made into an answer in one place.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from sagelab.cloud.context import INSIDE
from sagelab.cloud.errors import AccessDenied, InternalFailure, NoSuchPath, ServiceError, UnknownOperation
from sagelab.cloud.gateway.alarms import AlarmCalls
from sagelab.cloud.gateway.auth import readings
from sagelab.cloud.gateway.auth.guard import Guard
from sagelab.cloud.gateway.auth.identity import Identities
from sagelab.cloud.gateway.auth.permissions import Permissions
from sagelab.cloud.gateway.auth.simulation import simulate
from sagelab.cloud.gateway.catalogue import Catalogue
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.event_sources import EventSources
from sagelab.cloud.gateway.functions import Functions
from sagelab.cloud.gateway.git import GitFront
from sagelab.cloud.gateway.http import forms
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.cloud.gateway.moto import rules, s3
from sagelab.cloud.gateway.moto.event_bus import EventBridge
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.moto.functions import FunctionAccess
from sagelab.cloud.gateway.moto.log_subscriptions import Subscriptions
from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess
from sagelab.cloud.gateway.moto.schedules import Schedules
from sagelab.cloud.gateway.moto.state_machines import StateMachines
from sagelab.cloud.gateway.moto.statistics import metric_data
from sagelab.cloud.gateway.origins import Origins
from sagelab.cloud.gateway.sagemaker import SageMaker
from sagelab.cloud.gateway.trail import Recorder
from sagelab.cloud.gateway.wire import faults, shapes
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.grants.access import Access
from sagelab.cloud.grants.records import Records
from sagelab.cloud.resources.call import Family
from sagelab.cloud.trail.marks import HEADER

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Internal = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]
Handler = Callable[[Context], Answer | None]

# The service name that the local cloud's own operations are signed for.
INTERNAL = "sagelab"

_log = logging.getLogger("sagelab")


class Gateway:
    """Serves `families` and moto at cloud.url. internal: the operations of service "sagelab", by name."""

    def __init__(self, cloud: Cloud, families: Sequence[Family], internal: Internal | None = None) -> None:
        self._cloud, self._internal = cloud, internal or {}
        disk = Disk(cloud.home.limit)
        self.spool = Spool(cloud.home.path / "tmp", disk)
        self._moto = MotoFront(cloud.home.path, disk)
        self._sagemaker = SageMaker(families, cloud.store)
        identities = Identities(cloud.home, self._moto, cloud.service_keys)
        cloud.lend = identities.lend
        find = identities.find
        guard = self._guard = Guard(cloud.url, lambda name: None if cloud.has_ended(name) else find(name))
        SageMakerAccess(cloud, find)
        Subscriptions(cloud)
        permissions = Permissions(self._moto, cloud.store)
        self._functions = FunctionAccess(cloud)
        self._sources_of_events = EventSources(cloud, self._functions)
        self._events = EventBridge(cloud, self._moto.acting)
        self._machines = StateMachines(cloud, self._events.put)
        rules.Availability.current = cloud.zones
        self._schedules = Schedules(self._events, self._moto.acting, self._moto.regions, cloud.clock)
        cloud.listen(self._schedules.on_change)
        self.alarms = AlarmCalls(cloud, self._moto)
        self.sources = cloud.sources
        self._origins = Origins(cloud.sources)
        self._catalogue = Catalogue(cloud, Access(Records(cloud.store, cloud.account)), self._ask_moto)
        git = GitFront(cloud, families, guard, permissions)
        self._recorder = Recorder(cloud.journal, identities.user_id)
        self.chain = self._chain(guard, permissions, identities, git)

    def _chain(
        self, guard: Guard, permissions: Permissions, identities: Identities, git: GitFront
    ) -> tuple[Handler, ...]:
        """What looks at a request, one after the other, until one answers it."""
        return (
            self._know_own,
            self._origins.admit,
            guard.check_page,
            _hide_motos_pages,
            git.answer,
            self._take_form,
            guard.identify,
            self._read_mark,
            readings.check_scope,
            _unzip,
            self._moto.name,
            readings.check,
            s3.check,
            self._sagemaker.find,
            self._origins.check,
            self._answer_own,
            self._sagemaker.parse,
            identities.take_code,
            permissions.check,
            self._sagemaker.validate,
            self._sagemaker.answer,
            identities.answer,
            identities.resync,
            partial(simulate, self._moto),
            self._moto.provide_policy,
            self.alarms.answer,
            partial(metric_data, self._moto),
            self._sources_of_events.answer,
            Functions(self._functions).answer,
            self._catalogue.answer,
            self._ask_moto,
        )

    def answer(self, request: Request) -> Answer:
        """An answer in any case; an error in the form that the caller's protocol has for it."""
        context = Context(request)
        answer = self._answer(context)
        self._recorder.note(context, answer)
        return answer

    def _answer(self, context: Context) -> Answer:
        request = context.request
        try:
            return _first(self.chain, context)
        except ServiceError as error:
            failure = error
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            _log.exception("the gateway failed on %s %s", request.method, request.path)
            failure = InternalFailure("The request processing has failed because of an unknown error.")
        return faults.fault(failure, faults.protocol_of(request), request.path)

    def warm(self) -> None:
        """Load what the labs call first; for a thread of its own, just after the start."""
        self._functions.start()
        self._sources_of_events.start()
        self._moto.warm(self._cloud.region)
        self._sagemaker.planes.warm()

    def rest(self) -> None:
        """No function and no state machine runs and no alarm acts any more; what functions have logged is sent."""
        self.alarms.close()
        self._machines.close()
        self._sources_of_events.close()
        self._functions.close()
        self._sources_of_events.end()

    def close(self) -> None:
        """Nothing is answered any more."""
        self._schedules.close()
        self._events.close()
        self._moto.close()
        self._cloud.journal.close()

    def _read_mark(self, context: Context) -> None:
        """For whom the local cloud asks itself. Nobody sees the mark from here on; a forged one is for nothing."""
        context.by = self._cloud.marks.read(context.request.headers.pop(HEADER, None))

    def _know_own(self, context: Context) -> None:
        """What the local cloud asks itself is on no wire, and counts as TLS: services of AWS's speak that."""
        word = context.request.headers.pop(INSIDE, "")
        if hmac.compare_digest(word.encode(), self._cloud.inside.encode()):
            context.request.secure = True

    def _take_form(self, context: Context) -> Answer | None:
        """A form that uploads to S3 goes on as the put of its file, once its policy is signed and holds."""
        upload = forms.read(context.request)
        if upload is None:
            return None
        with closing(upload.put):
            upload.put.source = context.request.source
            put = Context(upload.put)
            self._guard.identify_form(put, upload.fields)
            upload.check(put.caller.key.access_key, put.region)
            context.caller, context.named = put.caller, "PostObject"
            rest = self.chain[self.chain.index(self._guard.identify) + 1 :]
            try:
                return upload.answer(_first(rest, put))
            finally:
                context.origin = put.origin

    def _answer_own(self, context: Context) -> Answer | None:
        if context.service != INTERNAL:
            return None
        request = context.request
        prefix, _, name = request.target.partition(".")
        handler = self._internal.get(name) if prefix == "Sagelab" else None
        key = context.caller.key
        if not key.owner or key.token is not None:
            raise AccessDenied("Only the local cloud's own access key may do this.")
        if handler is None:
            raise UnknownOperation(f"{request.target} is not an operation of the local cloud.")
        output = handler(shapes.read_object(request.content()))
        return Answer(200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(output).encode())

    def _ask_moto(self, context: Context) -> Answer:
        """Everything else is moto's; who listens hears what may have changed."""
        answer = self._moto.answer(context)
        if answer.status < 300 and context.changes:
            self._cloud.tell(context.service, context.request.place[0] if context.service == "s3" else "")
        return answer


def _first(chain: Iterable[Handler], context: Context) -> Answer:
    """The answer of the first handler that has one."""
    return next(answer for handler in chain if (answer := handler(context)) is not None)


def _unzip(context: Context) -> None:
    """SDKs compress some large requests: from here on everybody reads what is in them. S3 keeps what comes."""
    if context.request.header("content-encoding") == "gzip" and context.service != "s3":
        context.request.unzip()


def _hide_motos_pages(context: Context) -> None:
    """moto's own pages can reset everything; to a client they do not exist."""
    path = context.request.path
    if path == "/moto-api" or path.startswith("/moto-api/"):
        raise NoSuchPath("The specified resource does not exist.")
