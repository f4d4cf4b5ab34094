"""The user's own scripts around an analysis: `preprocess_handler` a record, `postprocess_handler` after all.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-pre-and-post-processing.html
"""

from __future__ import annotations

import inspect
import logging
import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sagelab.algorithms.job import UserError

Row = dict[str, Any]


def preprocessor(script: Path | None) -> Callable[[Any], list[Row]] | None:
    """What makes rows of a record; None where there is no script. UserError: the script is no good."""
    if script is None:
        return None
    handler = _handler(script, "preprocess_handler")
    wants_logger = len(inspect.signature(handler).parameters) > 1

    def rows(record: Any) -> list[Row]:
        found = handler(record, logging.getLogger("preprocessor")) if wants_logger else handler(record)
        made = found if isinstance(found, list) else [found] if found else []
        if not all(isinstance(row, dict) for row in made):
            raise UserError(f"preprocess_handler must return a dictionary or a list of them, not {found!r:.100}")
        return made

    return rows


def postprocess(script: Path | None) -> None:
    """Call the handler of a script, if there is one."""
    if script is not None:
        _handler(script, "postprocess_handler")()


def record_of(captured: dict[str, Any]) -> SimpleNamespace:
    """A captured invocation as a handler sees it: record.endpoint_input.data, record.event_metadata.event_id."""
    data, meta = captured.get("captureData") or {}, captured.get("eventMetadata") or {}
    return SimpleNamespace(
        endpoint_input=_side(data.get("endpointInput")),
        endpoint_output=_side(data.get("endpointOutput")),
        event_metadata=SimpleNamespace(
            event_id=meta.get("eventId"),
            event_time=meta.get("inferenceTime"),
            inference_id=meta.get("inferenceId"),
            custom_attribute=meta.get("customAttributes"),
        ),
        event_version=captured.get("eventVersion"),
    )


def _side(given: dict[str, Any] | None) -> SimpleNamespace | None:
    if given is None:
        return None
    return SimpleNamespace(
        data=given.get("data"),
        encoding=given.get("encoding"),
        mode=given.get("mode"),
        observed_content_type=given.get("observedContentType"),
    )


def _handler(script: Path, name: str) -> Callable[..., Any]:
    if not script.is_file():
        raise UserError(f"The script {script} is not there")
    found = runpy.run_path(str(script)).get(name)
    if not callable(found):
        raise UserError(f"The script {script.name} has no function {name}")
    return found  # type: ignore[no-any-return]
