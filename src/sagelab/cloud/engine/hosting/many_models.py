"""A container of many models: one is loaded when it is first asked for, and unloaded when others need its memory.

https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.hosting import loading, targets
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.instance import Instance, new_name
from sagelab.cloud.engine.hosting.loading import Model, NotLoaded
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.server import VariantSpec, zone_of
from sagelab.cloud.engine.hosting.targets import BadTarget, ModelNotReady
from sagelab.cloud.errors import JobError

MOST = 50  # models of a container that are loaded at a time
AT_ONCE = 2  # that are being loaded


class Place:
    """A model's place among those of a container: from the first who asks for it until it is unloaded.

    done: it is loaded (`model`, until then `draft`), or `trouble` says why not. busy: how many ask it.
    """

    def __init__(self, uri: str) -> None:
        self.uri, self.busy = uri, 0
        self.done = threading.Event()
        self.draft: Model | None = None
        self.model: Model | None = None
        self.trouble: Exception | None = None


class ManyModels(Instance):
    """A container of many models, all of an instance or one of its containers."""

    def __init__(
        self, endpoint: str, spec: VariantSpec, context: EngineContext, number: int = 0, instance: str = ""
    ) -> None:
        super().__init__(instance or new_name())
        context = context.inside(spec.vpc, zone_of(spec))
        self.spec, self.container = spec, spec.containers[number]
        self._measures = Measures(endpoint, context.client("cloudwatch"), context.clock)
        self._loader = loading.make(endpoint, spec, context, number, self.instance)
        self._places: OrderedDict[str, Place] = OrderedDict()  # the longest unused first
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._started = self._closed = self._lost = False

    @property
    def ready(self) -> bool:
        return self._started and not self._lost and self._loader.ready

    def start(self) -> None:
        self._loader.start()
        self._started = True
        self._count()

    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:  # noqa: ARG002 - a model has its own
        """BadTarget: there is no such model. ModelNotReady: it takes longer to load than an invocation may."""
        name = headers[targets.MODEL]
        place = self._take(name)
        self._begin()
        try:
            if trouble := self._wait(place):
                return trouble
            assert place.model
            return place.model.invoke(headers, body)
        finally:
            self._end()
            self._release(name, place)

    def stream(self, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """A row that ends here has its answer in one part: no request for a stream can name a model."""
        reply = self.invoke("/invocations", headers, body)
        return reply, iter([reply.body])

    def processes(self) -> dict[str, list[int]]:
        pids = [pid for model in self._loaded() for pid in model.processes()]
        return {self.container.name: [*self._loader.processes(), *pids] if self._started else []}

    def kill(self) -> None:
        self._lost = True
        for pid in self.processes()[self.container.name]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            places, self._places = list(self._places.values()), OrderedDict()
        self._loader.close()
        with ThreadPoolExecutor() as pool:
            for closed in [pool.submit(one.unload) for place in places if (one := place.model or place.draft)]:
                closed.result()
        self._measures.close()

    # Who asks

    def _take(self, name: str) -> Place:
        """The place of a model, which is loaded if it is not."""
        with self._lock:
            if self._closed:
                raise ServerUnavailable("the endpoint is gone")
            place = self._places.get(name)
            lost = place.model if place and place.model and place.model.lost else None
            hit = bool(place and place.model and not lost)
            if place is None or lost:
                place = self._places[name] = Place(self._uri(name))
                threading.Thread(target=self._load, args=(name, place), daemon=True, name=f"load {name}").start()
            self._places.move_to_end(name)
            place.busy += 1
        if lost:
            lost.unload()
        self._measures.note_model(self.spec.name, hit=hit)
        return place

    def _uri(self, name: str) -> str:
        return str(channels.locate(self.container.model_uri or "").join(name))

    def _wait(self, place: Place) -> Reply | None:
        """Until the model is loaded; what its container said where it loads none."""
        if not place.done.is_set():
            began = time.perf_counter()
            done = place.done.wait(self.spec.timeout)
            self._measures.note_model(self.spec.name, ModelLoadingWaitTime=time.perf_counter() - began)
            if not done:
                raise ModelNotReady
        if isinstance(place.trouble, NotLoaded):
            return place.trouble.reply
        if place.trouble:
            raise place.trouble
        return None

    def _release(self, name: str, place: Place) -> None:
        """Nobody waits for what is not kept to be unloaded."""
        with self._lock:
            place.busy -= 1
            done_with = not (self.container.cached or place.busy) and self._places.get(name) is place
            if done_with and place.model:
                del self._places[name]
        if done_with and place.model:
            threading.Thread(target=self._unload, args=(place.model,), daemon=True, name="unload").start()

    # What is loaded

    def _load(self, name: str, place: Place) -> None:
        model = None
        try:
            with self._turns:
                model = place.draft = loading.timed(self._loader, place.uri)
                if self._closed:
                    raise ServerUnavailable("the endpoint is gone")
                seconds = self._bring_in(model)
        except Exception as error:
            self._give_up(name, place, model, error)
            return
        self._measures.note_model(self.spec.name, ModelDownloadingTime=model.seconds, ModelLoadingTime=seconds)
        with self._lock:
            place.model = model
        place.done.set()
        self._count()
        while self._is_over() and self._unload_one():
            pass

    def _bring_in(self, model: Model) -> float:
        """Load a model, for which others are unloaded; the seconds of it alone. NotLoaded: why it is not."""
        while self._is_full() and self._unload_one():
            pass
        while True:
            began = time.perf_counter()
            try:
                model.load()
            except NotLoaded as trouble:
                if trouble.reply.status != loading.NO_ROOM or not self._unload_one():
                    raise
                continue
            return time.perf_counter() - began

    def _give_up(self, name: str, place: Place, model: Model | None, error: Exception) -> None:
        if isinstance(error, JobError):  # the model server's last words
            error = NotLoaded(Reply(500, {}, str(error).encode(), 0.0))
        elif not isinstance(error, NotLoaded | BadTarget | ServerUnavailable):
            error = ServerUnavailable(f"the model could not be loaded: {error}")
        with self._lock:
            if self._places.get(name) is place:
                del self._places[name]
        place.trouble = error
        place.done.set()
        if model:
            model.unload()

    def _loaded(self) -> list[Model]:
        with self._lock:
            return [place.model for place in self._places.values() if place.model]

    def _is_over(self) -> bool:
        """Whether the models take more memory than they may."""
        room = self._loader.room
        return room is not None and sum(model.size() for model in self._loaded()) > room

    def _is_full(self) -> bool:
        return self._is_over() or len(self._loaded()) >= MOST

    def _unload_one(self) -> bool:
        """Unload the model that was not asked for longest, and is not now; whether there was one."""
        with self._lock:
            found = (name for name, one in self._places.items() if one.model and not one.busy)
            name = next(found, None)
            model = self._places.pop(name).model if name is not None else None
        if model:
            self._unload(model)
        return model is not None

    def _unload(self, model: Model) -> None:
        began = time.perf_counter()
        model.unload()
        self._measures.note_model(self.spec.name, ModelUnloadingTime=time.perf_counter() - began)
        self._count()

    def _count(self) -> None:
        self._measures.loaded(self.spec.name, len(self._loaded()))
