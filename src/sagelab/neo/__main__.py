"""python3 -m sagelab.neo REQUEST.json: compile an archive as a compilation job does, inside its sandbox.

The request has `archive` and `out` (folders), `failure` (a file) and the fields of job.Request. Exit code 1: not
compiled; `failure` then has the reason, and `out` is empty.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagelab.neo.errors import NeoError, OutOfMemory


def main(argv: list[str]) -> int:
    fields = json.loads(Path(argv[0]).read_text())
    from sagelab.neo import job

    try:
        job.compile_archive(Path(fields["archive"]), Path(fields["out"]), job.Request.from_json(fields))
    except MemoryError:
        return _fail(fields, OutOfMemory("the model does not fit into the memory of the job."))
    except NeoError as error:
        return _fail(fields, error)
    return 0


def _fail(fields: dict[str, str], error: NeoError) -> int:
    Path(fields["failure"]).write_text(str(error))
    print(f"Error: {error}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
