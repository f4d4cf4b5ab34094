"""What the driver and executors print: to files, to S3 as EMR Serverless keeps it, and on to the local cloud.

    logUri/applications/APPLICATION/jobs/RUN/SPARK_DRIVER/stdout.gz
    logUri/applications/APPLICATION/jobs/RUN/SPARK_EXECUTOR/NUMBER/stdout.gz
    logUri/applications/APPLICATION/jobs/RUN/sparklogs/APP.gz

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from sagelab.spark.emr import logs
from sagelab.spark.errors import BASE
from sagelab.spark.events import UNFINISHED

MARK = "\x01"  # before and behind the name of a log, at the beginning of a line of it
DRIVER = "SPARK_DRIVER"
MESSAGE = BASE / "output/message"
EVERY = 15.0  # seconds between two copies of logs; on AWS minutes
LOOK = 0.5  # seconds between two looks at what executors have printed
LONGEST = 1 << 16  # bytes of a line that is passed on whole
LAST, ROOM = 3, 1000  # errors that are told, and characters of them
ERROR = re.compile(
    r"Caused by: |Exception in thread |Error: |fatal error"
    r"|(?:: )?(?:(?:[\w$]+\.)*\w+(?:Error|Exception)\b|(?:[A-Za-z_][\w$]*\.)+[A-Z][\w$]*: )"
)


class Logs:
    """Those of one host. `close` once all that prints has ended.

    prefix: of S3, "" where none are kept. executors: whether what they print is passed on.
    """

    def __init__(self, prefix: str, executors: bool) -> None:
        self._prefix, self._folder = prefix, Path(tempfile.mkdtemp(prefix="logs-"))
        self.events = Path(tempfile.mkdtemp(prefix="events-"))  # the folder of Spark's event log
        self._executors, self._ends = executors, dict[Path, int]()
        self._files: Callable[[], Iterable[tuple[str, Path]]] = lambda: ()
        self._said: deque[str] = deque(maxlen=LAST)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._keeping = threading.Thread(target=self._keep, daemon=True)
        self._keeping.start()

    def follow(self, files: Callable[[], Iterable[tuple[str, Path]]]) -> None:
        """Keep these, too: the name of a log and its file."""
        self._files = files

    def read(self, stream: IO[bytes], name: str) -> threading.Thread:
        """Take what the driver prints to a pipe, to its end. name: "stdout" or "stderr"."""
        reading = threading.Thread(target=self._read, args=(stream, name), daemon=True)
        reading.start()
        return reading

    def _read(self, stream: IO[bytes], name: str) -> None:
        with (self._folder / name).open("ab") as file:
            while line := stream.readline(LONGEST):
                file.write(line)
                file.flush()
                self.say(f"{DRIVER}/{name}", line.decode("utf-8", "replace"))

    def say(self, name: str, line: str) -> None:
        """Pass a line of a log on."""
        if name.startswith(DRIVER) and ERROR.match(line):  # what a script says of errors comes by stdout
            self._said.append(line.strip().removeprefix(": "))
        with self._lock:
            sys.stdout.write(f"{MARK}{name}{MARK}{line.rstrip()}\n")
            sys.stdout.flush()

    def explain(self, error: BaseException) -> None:
        """What kept the application from its start."""
        text = f"{type(error).__name__}: {error}"
        with (self._folder / "stderr").open("a") as file:
            file.write(f"{text}\n")
        self.say(f"{DRIVER}/stderr", text)
        self.tell()

    def tell(self) -> None:
        """The last errors, to whoever asks why."""
        MESSAGE.parent.mkdir(parents=True, exist_ok=True)
        MESSAGE.write_text("\n".join(self._said)[:ROOM])

    def _keep(self) -> None:
        since = time.monotonic()
        while not self._over.wait(LOOK if self._executors else EVERY):
            self._pass_on()
            if time.monotonic() - since >= EVERY:
                self.put()
                since = time.monotonic()

    def _pass_on(self) -> None:
        """What executors have printed since."""
        for name, file in self._files() if self._executors else ():
            with contextlib.suppress(OSError), file.open("rb") as stream:
                stream.seek(self._ends.get(file, 0))
                while (line := stream.readline(LONGEST)) and (line.endswith(b"\n") or self._over.is_set()):
                    self._ends[file] = stream.tell()
                    self.say(name, line.decode("utf-8", "replace"))

    def close(self) -> None:
        """The last copy is of all of it."""
        self._over.set()
        self._keeping.join()
        self.put()

    def put(self) -> None:
        """Copy all to S3."""
        self._pass_on()
        own = [(f"{DRIVER}/{file.name}", file) for file in sorted(self._folder.iterdir())]
        for name, file in [*own, *self._files()]:
            logs.put(self._prefix, name, file)
        for file in sorted(self.events.glob("[!.]*")):
            logs.put(self._prefix, f"sparklogs/{file.name.removesuffix(UNFINISHED)}", file)
