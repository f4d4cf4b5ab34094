"""The model server of the built-in algorithms: `python3 -m sagelab.serving.algorithms MODULE`.

MODULE has `load(folder)`, which gives what answers requests: (body, content type, accept) -> (body, content type).
It raises UserError for a request that is no good; one with a `status` says which.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import NoReturn

from sagelab.algorithms.job import UserError
from sagelab.serving.codecs import Answer
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.scripts import serve


def main() -> NoReturn:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sagelab.serving.algorithms", description=__doc__)
    parser.add_argument("module", help="of the algorithm")
    serve(parser, lambda options: load(options.module, options.model))


def load(module: str, model: Path) -> Answer:
    """What answers for a model. BadModel: its archive holds none of this algorithm's."""
    try:
        answer = importlib.import_module(module).load(model)
    except Exception as error:  # whatever a stranger's archive makes of a reader
        raise BadModel(f"The model cannot be loaded: {type(error).__name__}: {error}") from None

    def ask(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        try:
            found: tuple[bytes, str] = answer(body, kind, accept)
        except UserError as error:
            raise BadRequest(str(error), getattr(error, "status", 400)) from None
        return found

    return ask


if __name__ == "__main__":
    main()
