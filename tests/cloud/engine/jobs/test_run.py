"""The life of a job of any kind, with work that the test gives it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sagelab.cloud.engine.jobs.run import OVERTIME, STOPPED, JobRun, Step
from sagelab.cloud.errors import ClientError


class Run(JobRun):
    """A job that does what it is told; it notes what was asked of it."""

    def __init__(self, work: Callable[[Run], None], clean: Callable[[], None] = lambda: None) -> None:
        self.steps: list[Step] = []
        self.halted: list[bool] = []
        super().__init__("made by a test", self.steps.append)
        self._work, self._clean, self.begun = work, clean, threading.Event()

    def work(self) -> None:
        self.begun.set()
        self._work(self)

    def halt(self, now: bool) -> None:
        self.halted.append(now)

    def clean(self) -> None:
        self._clean()

    def live(self) -> Step:
        """All of its life; its only step."""
        self.start()
        self.join()
        (step,) = self.steps
        return step


def until_asked(run: Run) -> None:
    run.asked.wait()
    run.go_on()


def fail(error: Exception) -> Callable[[Run], None]:
    def work(run: Run) -> None:
        if run.ending is None and isinstance(error, OSError):
            run.asked.wait()
        raise error

    return work


def test_work_that_is_done_is_told_with_its_facts() -> None:
    step = Run(lambda run: run.facts.update(ExitMessage="fine")).live()
    assert step == Step("Completed", facts={"ExitMessage": "fine"})


@pytest.mark.parametrize("why", [STOPPED, OVERTIME])
def test_a_job_that_is_asked_to_stop_ends_in_order_and_once(why: str) -> None:
    run = Run(until_asked)
    run.start()
    run.begun.wait()
    run.stop(why)
    run.stop()
    run.join()
    assert run.steps == [Step("Stopped")]
    assert run.halted == [False]
    assert run.ending == why


def test_a_job_that_is_stopped_before_it_begins_does_not() -> None:
    done: list[str] = []

    def work(run: JobRun) -> None:
        run.go_on()
        done.append("work")

    run = Run(work)
    run.stop()
    assert run.live() == Step("Stopped")
    assert done == []


def test_an_error_is_the_reason_of_a_failure_in_the_words_of_its_kind() -> None:
    assert Run(fail(ClientError("no such bucket"))).live() == Step("Failed", "ClientError: no such bucket")
    reason = Run(fail(ZeroDivisionError("by nothing"))).live().message
    assert reason == "InternalServerError: The local cloud failed: ZeroDivisionError('by nothing')"


def test_what_breaks_under_a_job_that_is_interrupted_is_told_as_the_interruption() -> None:
    run = Run(fail(OSError("the socket is gone")))
    run.start()
    run.begun.wait()
    run.stop()
    run.interrupt()
    run.join()
    (step,) = run.steps
    assert (step.status, run.halted) == ("Failed", [False, True])
    assert step.message.startswith("InternalServerError: The local cloud ended while the job was running")


def test_a_job_whose_rest_cannot_be_removed_tells_its_end() -> None:
    def clean() -> None:
        raise OSError("the folder is busy")

    assert Run(JobRun.go_on, clean).live() == Step("Completed")
