"""Why a job failed, in the words of SageMaker and in 1,024 characters that a learner can act on.

SageMaker tells what the job wrote to /opt/ml/output/failure and the exit code. A driver often writes less there
than the log shows, so the last error of the log is added where it is missing.
"""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Iterable, Mapping

from sagelab.cloud.engine.data.workspace import Workspace
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.sandbox import limits
from sagelab.cloud.errors import FAILURE_REASON_LIMIT, AlgorithmError, ClientError, JobError

KILLED = 128 + signal.SIGKILL
TRACEBACK = "Traceback (most recent call last)"
SYNTAX_ERROR = re.compile(r"(?:Syntax|Indentation|Tab)Error: ")
MEMORY_ERROR = re.compile(r"[\w.]*MemoryError\b")
ERROR_LINE = re.compile(r"[A-Za-z_][\w.]*(?:(?:Error|Exception|Interrupt|Exit)(?::.*)?|: .*)$")
# An installer's last word, which stands below no traceback.
INSTALL_ERROR = re.compile(r"ERROR: (?:No matching distribution found for|Cannot install|Invalid requirement) ?.+")
# What any command says of an error as pip and uv do, but for their signposts; and how its cause goes on below it.
SAID_ERROR = re.compile(r"\s*(?:(?:ERROR|error): (?!pip's dependency|Resolution|Exception:|subprocess-)|\xd7 ).+")
CAUSE = re.compile(r"\s+\S|[│├╰]")
CAUSE_LINES = 4
# What is said of something that AWS's images have, and what to do instead.
ADVICE = {
    re.compile(pattern): f"({words})"
    for pattern, words in {
        r"File system scheme 's3' not implemented": (
            "TensorFlow has no s3:// paths here: use an input channel, /opt/ml/model, or boto3."
        ),
        r"No module named 'sklearn\.externals": "scikit-learn has no joblib in it: import joblib itself.",
        r"No module named 'horovod": "Horovod is not here: MultiWorkerMirroredStrategy or torchrun do it.",
        r"No module named 'smdebug": "SageMaker Debugger is not here: leave its hooks out.",
        r"No module named 'smdistributed": "SageMaker's distributed libraries need GPUs, which are not here.",
        r"No module named 'sagemaker_tensorflow": "PipeModeDataset is not here: read the channel's files.",
    }.items()
}
ROOM = FAILURE_REASON_LIMIT - len("AlgorithmError: , exit code: 255")
OUT_OF_MEMORY = (
    "Please use an instance type with more memory, or reduce the size of job data processed on an instance."
)


def explain_exit(
    codes: Mapping[str, int],
    spaces: Iterable[Workspace],
    streams: Mapping[str, Stream],
    users_fault: int | None = None,
) -> JobError | None:
    """The error that ends a job whose hosts ended with these exit codes; None if all are 0.

    users_fault: the exit code by which a program of the platform's own says that its input is at fault.
    """
    failed = [(host, code, space) for (host, code), space in zip(codes.items(), spaces, strict=True) if code]
    if not failed:
        return None
    failed.sort(key=lambda one: one[1] == KILLED)  # a host that was killed because another failed comes last
    host, code, space = failed[0]
    if code == users_fault:
        return ClientError(f"{_shorten(space.failure(), ROOM)}, exit code: {code}")
    return _explain_host(code, space.failure(), list(streams[host].tail))


def _explain_host(code: int, failure: str, tail: list[str]) -> JobError:
    for line in tail:
        if line.startswith(limits.MARK):
            return ClientError(f"The host was ended: {line.removeprefix(limits.MARK)}.")
    # What stands below no traceback says more than SageMaker's toolkit, and less than the last lines of a log.
    error = advise(find_error(tail) or (last_word(tail) if failure else ""), tail)
    if code == KILLED or any(MEMORY_ERROR.match(line) for line in tail):
        return ClientError(f"{OUT_OF_MEMORY} Exit code: {code}. {_shorten(failure or error, 700)}")
    if not failure:
        text = _shorten(error or "\n".join(tail[-10:]), ROOM)
    elif not error or error.rpartition("\n")[2] in failure:
        text = _shorten(failure, ROOM)
    else:
        part = _shorten(error, ROOM // 2)
        text = f"{_shorten(failure, ROOM - len(part) - 1)}\n{part}"
    return AlgorithmError(f"{text}, exit code: {code}")


def find_error(tail: list[str]) -> str:
    """The user's own error in the last lines of a log; empty if there is none.

    It is a traceback, not one in which a driver reports that its command failed; or, for a syntax error, the
    lines that point at it; or the last word of pip. A traceback begins in the middle of a line where that was not
    ended: behind a prompt, or the last state of a progress bar.
    """
    for start, line in enumerate(tail):
        _, begun, rest = line.partition(TRACEBACK)
        if not begun:
            continue
        lines = _one_traceback([begun + rest, *tail[start + 1 :]])
        if "CalledProcessError" not in lines[-1]:
            return "\n".join(lines)
    for number, line in enumerate(tail):
        if SYNTAX_ERROR.match(line):
            return "\n".join(tail[max(0, number - 3) : number + 1])
    return next((line for line in reversed(tail) if INSTALL_ERROR.match(line)), "")


def last_word(tail: list[str]) -> str:
    """What a command said last of an error, with its cause; empty if none did."""
    marks = [number for number, line in enumerate(tail) if SAID_ERROR.match(line)]
    if not marks:
        return ""
    last = marks[-1]
    more = itertools.takewhile(CAUSE.match, tail[last + 1 : last + 1 + CAUSE_LINES])
    before = [tail[marks[-2]]] if tail[last].startswith("ERROR: Failed") and len(marks) > 1 else []
    return "\n".join(line.strip() for line in (*before, tail[last], *more))


def advise(error: str, tail: Iterable[str]) -> str:
    """An error, and what to do instead where a log shows that something of AWS's images is missing."""
    lines = list(tail)
    found = [advice for seen, advice in ADVICE.items() if any(seen.search(line) for line in lines)]
    return "\n".join([error, *found]).strip()


def _one_traceback(lines: list[str]) -> list[str]:
    """The traceback that `lines` begin with, up to the error itself; drivers strip the indents of the rest."""
    for number, line in enumerate(lines[1:], start=1):
        if ERROR_LINE.match(line):
            return lines[: number + 1]
    return lines


def _shorten(text: str, room: int) -> str:
    """The beginning and the end of a text: the end of a traceback says most."""
    if len(text) <= room:
        return text
    head = room // 4
    return f"{text[:head]} ... {text[-(room - head - 5) :]}"
