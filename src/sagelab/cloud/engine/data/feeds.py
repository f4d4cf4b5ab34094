"""The named pipes of channels in Pipe mode: /opt/ml/input/data/CHANNEL_EPOCH, one for each pass over the data.

A pipe lies in a folder that the job's code can change. So it is made, looked at and opened by descriptors: of the
folder, taken before that code runs, and of the pipe itself.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.errors import ClientError

Parts = Callable[[int], Iterator[bytes]]


class Feed(threading.Thread):
    """Writes a channel's data into its pipe, epoch after epoch, until the job ends.

    parts: number of an epoch -> what its pipe says. on_trouble: hears of data that cannot be had.
    """

    def __init__(self, folder: Tree, channel: str, parts: Parts, on_trouble: Callable[[], None]) -> None:
        super().__init__(daemon=True, name=f"feed-{channel}")
        self.trouble: ClientError | None = None
        self._channel, self._parts, self._on_trouble = channel, parts, on_trouble
        with folder.folder() as descriptor:
            self._folder = os.dup(descriptor)
        self._lock, self._ended = threading.Lock(), False
        self._pipe: int | None = self._make(0)

    def run(self) -> None:
        epoch = 0
        try:
            while (writer := self._meet()) is not None:
                with os.fdopen(writer, "wb", buffering=0) as out, suppress(BrokenPipeError):
                    # Whoever has read to the end finds the next pipe.
                    self._next(epoch + 1)
                    for part in self._parts(epoch):
                        _write_all(out.fileno(), part)
                epoch += 1
        except ClientError as error:
            self.trouble = error
            self._on_trouble()
        except OSError as error:  # the job has put something else where its pipe would be
            self.trouble = ClientError(f"The pipe of channel {self._channel} is gone: {error}")
            self._on_trouble()
        finally:
            self._close()

    def end(self) -> None:
        """The job has ended: nobody reads any more. Who waits for a reader meets this one, and knows."""
        with self._lock:
            self._ended = True
            pipe = self._pipe
            reader = _reopen(pipe, os.O_RDONLY | os.O_NONBLOCK) if pipe is not None else None
        if self.is_alive():
            self.join()
        else:
            self._close()
        if reader is not None:
            os.close(reader)

    def _meet(self) -> int | None:
        """The pipe, once somebody has opened it to read; None where the job has ended."""
        with self._lock:
            pipe = None if self._ended else self._pipe
        if pipe is None:
            return None
        writer = _reopen(pipe, os.O_WRONLY)
        with self._lock:
            if not self._ended:
                return writer
        os.close(writer)
        return None

    def _next(self, epoch: int) -> None:
        """BrokenPipeError: the job has ended meanwhile."""
        made = self._make(epoch)
        with self._lock:
            old, self._pipe, ended = self._pipe, made, self._ended
        if old is not None:
            os.close(old)
        if ended:
            raise BrokenPipeError
        with suppress(OSError):
            os.unlink(f"{self._channel}_{epoch - 1}", dir_fd=self._folder)

    def _make(self, epoch: int) -> int:
        """A new pipe. OSError: something is there already, or was put there."""
        name = f"{self._channel}_{epoch}"
        os.mkfifo(name, 0o600, dir_fd=self._folder)
        pipe = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            os.close(pipe)
            raise OSError(f"{name} was replaced")
        return pipe

    def _close(self) -> None:
        with self._lock:
            if self._pipe is not None:
                os.close(self._pipe)
                os.close(self._folder)
                self._pipe = None


def _reopen(pipe: int, flags: int) -> int:
    return os.open(f"/proc/self/fd/{pipe}", flags | os.O_CLOEXEC)


def _write_all(writer: int, part: bytes) -> None:
    """BrokenPipeError: nobody reads any more."""
    rest = memoryview(part)
    while rest:
        rest = rest[os.write(writer, rest) :]
