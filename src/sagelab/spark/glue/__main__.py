"""python3 -m sagelab.spark.glue: one run of a job of Glue's, by /opt/ml/config/glue.json, on its hosts.

What the script prints is marked, for Glue keeps it apart from what is said beside it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from sagelab.spark.errors import BASE, SparkError
from sagelab.spark.glue import arguments, modules, names
from sagelab.spark.glue.arguments import Asked

MARK = b"\x01"
LIBRARY = BASE / "glue"  # the folder in which scripts find `awsglue`
MESSAGE = BASE / "output/message"
SCRIPT = Path(__file__).with_name("script.py")
LONGEST = 1 << 16  # bytes of a line that is kept whole


def main() -> int:
    """The script's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    names.write(LIBRARY)
    try:
        asked = arguments.read()
        modules.install(asked)
        if asked.shell:
            return _shell(asked)
        from sagelab.spark.glue.application import Application

        Application(asked, run).run()
    except SparkError as error:
        return error.exit_code
    except Exception as error:
        return explain(error)
    return 0


def explain(error: Exception) -> int:
    """Why there is no script to run."""
    text = f"{type(error).__name__}: {error}"
    print(text, file=sys.stderr)
    if not MESSAGE.exists():
        MESSAGE.write_text(text[:1000])
    return 1


def _shell(asked: Asked) -> int:
    """A script of Python's alone."""
    script, more = asked.fetch_script(), modules.paths(asked)
    command = [sys.executable, "-u", str(SCRIPT), "shell", str(script), *asked.words]
    return run(command, asked.environment(LIBRARY, more))


def run(command: list[str], environment: dict[str, str]) -> int:
    """A program to its end, whose output is marked."""
    started = subprocess.Popen(
        command, env=environment, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert started.stdout
    reading = threading.Thread(target=_mark, args=(started.stdout,), daemon=True)
    reading.start()
    code = started.wait()
    reading.join(timeout=10)  # a process that it left may hold the pipe
    return code if code >= 0 else 128 - code


def _mark(stream: IO[bytes]) -> None:
    while line := stream.readline(LONGEST):
        sys.stdout.buffer.write(MARK + line)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
