"""The AWS CLI in one process of its own environment: loaded once, and each command run in a fork of it.

A line of JSON on standard input, {"arguments", "folder", "record"}, is one command; the line that comes back is
its exit code. What it printed is in the folder, in out and err, and its calls are in the record. Run by the Python
of the CLI's environment.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from awscli.clidriver import create_clidriver  # type: ignore[import-not-found]

SERVICES = ("sagemaker", "sagemaker-runtime", "s3api", "logs", "cloudwatch", "iam", "sts")


def main() -> None:
    driver = create_clidriver()
    table = driver._get_command_table()
    for service in SERVICES:  # what a command reads first, and what takes it longest: its service's model
        table[service]._get_command_table()
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(run(driver, **json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(driver: Any, arguments: list[str], folder: str, record: str) -> int:
    """Run one command as `aws` does; its exit code."""
    os.environ["SAGELAB_RECORD"] = record
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    code = 255
    try:
        code = driver.main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 255
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


if __name__ == "__main__":
    main()
