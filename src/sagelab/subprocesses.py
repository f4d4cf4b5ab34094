"""A command run in this one's place: it gets the signals meant for it, and its exit code is handed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

NOT_FOUND, NOT_ALLOWED, SIGNALLED = 127, 126, 128  # as a shell has it
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run(command: Sequence[str], env: Mapping[str, str]) -> int:
    """The exit code of `command`; 128 + n where signal n ended it."""
    with _held_signals() as target:
        try:
            process = subprocess.Popen(command, env=env)
        except OSError as error:
            print(f"{command[0]}: {error.strerror}", file=sys.stderr)
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_ALLOWED
        target.append(process)
        code = process.wait()
    return code if code >= 0 else SIGNALLED - code


@contextmanager
def _held_signals() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Signals go to the process put into the list, not to this one."""
    target: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _: FrameType | None) -> None:
        if number in (signal.SIGINT, signal.SIGQUIT) and _terminal_sends():
            return
        for process in target:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        yield target
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminal_sends() -> bool:
    """Whether a Ctrl-C in the terminal reaches the command without us."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
