"""Checkpoints: a folder of every host that comes from S3 at the start and goes to S3 while the job runs.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html

S3 never gets half a file. A file is sent when a process of the job has closed it and it stood still between two
looks, from a copy that it did not change under. When processes are ended from outside they are stopped first, and
what they have open for writing then is not sent unless they finish it. What is deleted here is deleted there, once
everything newer has been sent. Of several hosts each sends its own changes to the same place, as on AWS, where
scripts must name their files apart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.data.trees import Refused, Tree, Version, read_version
from sagelab.cloud.engine.sandbox import processes
from sagelab.cloud.errors import ClientError

logger = logging.getLogger("sagelab")

PERIOD = 0.25  # seconds between two looks, or more where a look takes long
SHARE = 0.01  # of the time that looking may take
RETRY = 0.5  # seconds until the next try where S3 refuses
TIMEOUT = 15.0  # seconds for which S3 may refuse at a job's end

# UnicodeError: a file's name is no text, so it can be no key.
LASTING = (Refused, UnicodeError)  # what the job made, and no waiting mends
Trouble = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, OSError, UnicodeError)


class CheckpointFolder:
    """The checkpoint folder of one host and its place in S3."""

    def __init__(self, s3: Any, location: Location, folder: Tree) -> None:
        self.s3, self.location, self.folder = s3, location, folder
        self.cost = 0.0  # seconds of processor time of the last look
        self.stored: dict[str, Version] = {}  # as S3 has them
        self._seen: dict[str, Version] = {}  # as the last look found them
        self._whole: dict[str, Version] = {}  # closed while the job ran
        self._half: dict[str, Version] = {}  # open for writing when the processes were stopped
        self._ended: set[int] = set()  # processes that the last look found ended

    def fill(self) -> None:
        """Fetch what S3 has. ClientError: it cannot be."""
        prefix = Location(self.location.bucket, f"{self.location.key.rstrip('/')}/".lstrip("/"))
        for name in channels.download_prefix(self.s3, prefix, self.folder.path):
            self.stored[name] = read_version((self.folder.path / name).stat())
        self._seen = self._whole = dict(self.stored)

    def sync(self, group: int) -> None:
        """Send what has changed and stands still. group: the pid that its processes descend from."""
        began = time.thread_time()
        now = self._look()
        changed = {name for name in now if self.stored.get(name) != now[name]}
        still = self._find_closed(now, {name for name in changed if self._seen.get(name) == now[name]}, group)
        gone = [name for name in self.stored if name not in now and name not in self._seen]
        self.cost = time.thread_time() - began
        self._seen = now
        self._whole = {name: version for name, version in now.items() if name in still or name not in changed}
        self._send(now, still)
        if still == changed:
            self._delete(gone)

    def _find_closed(self, now: dict[str, Version], names: set[str], group: int) -> set[str]:
        """Those of the files that nobody writes to: no process has them open, and none ended meanwhile.

        Processes that are ended from outside have ended after `hold`, so what it found half is known by then.
        """
        if not names:
            return names
        own = processes.find_own(group)
        written = processes.find_written(own)
        ended, before = processes.find_ended(own), self._ended
        self._ended = ended
        if not own or not own <= processes.find_own(group) or not ended <= before:
            return set()
        closed = {name for name in names if (now[name].device, now[name].inode) not in written}
        return {name for name in closed if self._half.get(name) != now[name]}

    def hold(self, written: set[processes.Inode]) -> None:
        """Remember what is half written by processes that stand still and are ended next."""
        self._half = self._find(written)

    def leave(self, written: set[processes.Inode]) -> None:
        """Remember what was half written by processes that the end of others ended."""
        self._half |= self._find(written)

    def _find(self, files: set[processes.Inode]) -> dict[str, Version]:
        found = self._look().items()
        return {name: version for name, version in found if (version.device, version.inode) in files}

    def finish(self, crashed: bool) -> list[str]:
        """Send the rest after the last process has ended; the names of those left out as not whole.

        crashed: the processes ended by themselves and not well, so only what was closed before is whole.
        """
        now = self._look()
        changed = {name for name in now if self.stored.get(name) != now[name]}
        half = {name for name in changed if self._half.get(name) == now[name]}
        if crashed:
            half |= {name for name in changed if self._whole.get(name) != now[name]}
        self._send(now, changed - half)
        if not half:
            self._delete([name for name in self.stored if name not in now])
        return sorted(half)

    def _look(self) -> dict[str, Version]:
        """Every regular file below the folder by its name there; no link is followed."""
        try:
            return {entry.name: read_version(entry.facts) for entry in self.folder.walk() if entry.is_file}
        except Refused as error:
            raise Refused(f"the folder {error}") from error

    def _send(self, now: dict[str, Version], names: set[str]) -> None:
        """Put files in the order in which they were written."""
        for name in sorted(names, key=lambda name: now[name].modified):
            with self.folder.scratch() as copy:
                if self.folder.copy(name, now[name], copy):
                    location = self.location.join(name)
                    self.s3.put_object(Bucket=location.bucket, Key=location.key, Body=copy)
                    self.stored[name] = now[name]

    def _delete(self, names: list[str]) -> None:
        for name in names:
            location = self.location.join(name)
            self.s3.delete_object(Bucket=location.bucket, Key=location.key)
            del self.stored[name]


class Checkpoints(threading.Thread):
    """The checkpoints of all hosts of one start of a job.

    say: puts a line into the job's log. As a thread it syncs until `finish`.
    """

    def __init__(self, folders: list[CheckpointFolder], say: Callable[[str], None]) -> None:
        super().__init__(daemon=True, name="checkpoints")
        self.folders, self.say = folders, say
        self.group = 0
        self._ended = threading.Event()
        self._trouble: str | None = None
        self._lasting = False
        self._left: set[str] = set()

    def fill(self) -> None:
        """Fetch what S3 has into every host. ClientError: it cannot be."""
        for folder in self.folders:
            folder.fill()

    def watch(self, group: int) -> None:
        """Sync from now on. group: the pid that all processes of the hosts descend from."""
        self.group = group
        self.start()

    def run(self) -> None:
        pause = PERIOD
        while not self._ended.wait(pause):
            done = self._try(lambda folder: folder.sync(self.group))
            pause = max(PERIOD if done else RETRY, sum(folder.cost for folder in self.folders) / SHARE)

    def hold(self) -> None:
        """The processes are ended next: stop them, and remember what they have half written."""
        if self.group:
            written = processes.find_written(processes.freeze(self.group))
            for folder in self.folders:
                folder.hold(written)

    def leave(self, written: set[processes.Inode]) -> None:
        """Processes that had these files open for writing were ended because their host had ended."""
        for folder in self.folders if written else ():
            folder.leave(written)

    def finish(self, crashed: bool, timeout: float = TIMEOUT) -> None:
        """Send the rest after the last process has ended. ClientError: S3 took it not in `timeout` seconds."""
        self._ended.set()
        if self.is_alive():
            self.join()
        limit = time.monotonic() + timeout
        while not self._try(lambda folder: self._finish(folder, crashed)):
            if self._lasting or time.monotonic() > limit:
                raise ClientError(f"Checkpoints could not be saved in {self.folders[0].location}: {self._trouble}")
            time.sleep(RETRY)

    def _finish(self, folder: CheckpointFolder, crashed: bool) -> None:
        for name in set(folder.finish(crashed)) - self._left:
            self._left.add(name)
            self.say(f"the checkpoint {name} was not sent to S3: it was being written when the host ended")

    def _try(self, act: Callable[[CheckpointFolder], None]) -> bool:
        """Do something with every folder; False, and said in the log once, where S3 refuses."""
        try:
            for folder in self.folders:
                act(folder)
        except Trouble as error:
            if self._trouble is None:
                self.say(f"checkpoints do not reach S3, and are tried again: {error}")
            self._trouble, self._lasting = str(error), isinstance(error, LASTING)
            return False
        if self._trouble:
            self.say("checkpoints reach S3 again")
        self._trouble = None
        return True
