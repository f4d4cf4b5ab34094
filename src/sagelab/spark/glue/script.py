"""A script of a job, run as Glue runs it: runscript.py KIND SCRIPT [ARGUMENT ...]. Why it fails is kept.

https://docs.aws.amazon.com/glue/latest/dg/monitor-job-insights.html
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

MESSAGE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "output/message")
ROOM = 2000  # characters of it
# A word of an error, or of its kind -> the category that Glue has for it.
CATEGORIES = (
    ("SyntaxError", "SYNTAX_ERROR"),
    ("IndentationError", "SYNTAX_ERROR"),
    ("ImportError", "IMPORT_ERROR"),
    ("ModuleNotFoundError", "IMPORT_ERROR"),
    ("GlueArgumentError", "INVALID_ARGUMENT_ERROR"),
    ("AnalysisException", "QUERY_ERROR"),
    ("ParseException", "QUERY_ERROR"),
    ("OutOfMemoryError", "OUT_OF_MEMORY_ERROR"),
    ("MemoryError", "OUT_OF_MEMORY_ERROR"),
    ("AccessDenied", "PERMISSION_ERROR"),
)


def main() -> None:
    kind, file = sys.argv[1:3]
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(file).parent)
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            _keep(end, kind, file)
        raise
    except BaseException as error:
        traceback.print_exc()
        _keep(error, kind, file)
        sys.exit(1)


def _keep(error: BaseException, kind: str, file: str) -> None:
    name, said = type(error).__name__, str(error)
    if name == "Py4JJavaError":  # what Java says, without where
        said = f"{said.splitlines()[0]} {getattr(error, 'java_exception', '')}"
    plain = said if isinstance(error, SystemExit) and not said.isdecimal() else f"{name}: {said}"
    if kind == "spark":
        category = next((own for word, own in CATEGORIES if word in f"{name} {said}"), "UNCLASSIFIED_ERROR")
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f"Failed Line Number: {lines[-1]}; " if lines else ""
        plain = f"Error Category: {category}; {where}{plain}"
    MESSAGE.write_text(plain[:ROOM])


if __name__ == "__main__":
    main()
