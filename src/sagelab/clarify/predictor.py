"""A model that is asked through an endpoint of its own, which is there as long as it is asked.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-processing-job-data-format.html
"""

from __future__ import annotations

import csv
import io
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.exceptions
import jmespath
import numpy as np

from sagelab.algorithms.job import UserError, say

AT_ONCE = 500  # rows of a request
POLL = 0.2
CSV, JSON_LINES, JSON = "text/csv", "application/jsonlines", "application/json"
Array = np.ndarray[Any, Any]


class Predictor:
    """settings: `predictor` of the analysis configuration."""

    def __init__(self, runtime: Any, endpoint: str, settings: dict[str, Any]) -> None:
        self._runtime, self._endpoint, self._settings = runtime, endpoint, settings
        self.content = settings.get("content_type") or CSV
        self.accept = settings.get("accept_type") or self.content

    def answers(self, rows: list[list[Any]]) -> list[Any]:
        """What the model answers to rows of features, one an entry. UserError: it does not."""
        found: list[Any] = []
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            try:
                answer = self._runtime.invoke_endpoint(
                    EndpointName=self._endpoint,
                    Body=self._write(part),
                    ContentType=self.content,
                    Accept=self.accept,
                )
            except botocore.exceptions.ClientError as error:
                raise UserError(f"The model does not answer: {error}") from None
            found += read_answers(answer["Body"].read(), self.accept, len(part))
        return found

    def scores(self, rows: list[list[Any]]) -> Array:
        """(rows, outputs): the numbers that are explained."""
        member = self._settings.get("probability", self._settings.get("label"))
        found = [_numbers(_member(one, member)) for one in self.answers(rows)]
        if len({len(one) for one in found}) > 1:
            raise UserError("The model gives answers of different lengths")
        return np.array(found, float)

    def labels(self, rows: list[list[Any]], threshold: float) -> list[Any]:
        """The predicted label of each row: by its score, where a threshold divides one, else as it is."""
        return labels(self.answers(rows), self._settings, threshold)

    def _write(self, rows: list[list[Any]]) -> bytes:
        if self.content == CSV:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            return text.getvalue().encode()
        template = self._settings.get("content_template") or '{"features": $features}'
        if self.content == JSON_LINES:
            return "\n".join(template.replace("$features", json.dumps(row)) for row in rows).encode()
        raise UserError(f"predictor.content_type {self.content}: the local cloud sends {CSV} and {JSON_LINES}")


def read_answers(body: bytes, kind: str, rows: int) -> list[Any]:
    """The answer to each row. kind: the type of the body. UserError: it is not of that type, or of other rows."""
    try:
        text = body.decode()
        if kind == JSON_LINES:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        elif kind == JSON:
            given = json.loads(text)
            given = given.get("predictions", given) if isinstance(given, dict) else given
            found = given if isinstance(given, list) else [given]
        else:
            lines = [line for line in csv.reader(io.StringIO(text)) if line]
            # XGBoost's first versions write the scores of all rows in one line.
            found = lines[0] if len(lines) == 1 != rows else lines
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"The model's answer is no {kind}: {error}") from None
    if len(found) != rows:
        raise UserError(f"The model gives {len(found)} answers to {rows} rows")
    return found


def labels(answers: list[Any], settings: dict[str, Any], threshold: float) -> list[Any]:
    """The predicted label in each answer: by its score, where a threshold divides one, else as it is.

    settings: `label`, `probability` and `label_headers` of `predictor`.
    """
    label, headers = settings.get("label"), settings.get("label_headers")
    found: list[Any] = []
    for one in answers:
        if label is not None:
            found.append(_member(one, label))
            continue
        scores = _numbers(_member(one, settings.get("probability")))
        if len(scores) == 1:
            found.append(int(scores[0] > threshold))
        else:
            best = int(np.argmax(scores))
            found.append(headers[best] if headers else best)
    return found


def _member(answer: Any, name: Any) -> Any:
    """A part of an answer, by its name, number or JMESPath. UserError: there is none."""
    if name is None:
        return answer
    try:
        if not isinstance(answer, dict):
            return answer[int(name)]
        found = answer[name] if name in answer else jmespath.search(str(name), answer)
    except (IndexError, TypeError, ValueError, jmespath.exceptions.JMESPathError):
        found = None
    if found is None:
        raise UserError(f"The model's answer has no {name!r}: {str(answer)[:200]}")
    return found


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = value.get("score", value.get("probability", value))
    given = json.loads(value) if isinstance(value, str) and value.startswith("[") else value
    try:
        return [float(one) for one in (given if isinstance(given, list) else [given])]
    except (TypeError, ValueError):
        raise UserError(f"The model's answer has no numbers: {str(value)[:200]}") from None


def model_of(sagemaker: Any, endpoint: str) -> str:
    """The model of an endpoint's first variant. UserError: it is not told."""
    try:
        config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        found = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
        return str(found["ModelName"])
    except (botocore.exceptions.ClientError, LookupError) as error:
        raise UserError(
            f"predictor: a model_name is needed, and that of {endpoint} is not told: {error}"
        ) from None


@contextmanager
def serving(sagemaker: Any, runtime: Any, settings: dict[str, Any]) -> Iterator[Predictor]:
    """The model on an endpoint for the block. UserError: it cannot be served."""
    if settings.get("endpoint_name"):
        yield Predictor(runtime, settings["endpoint_name"], settings)
        return
    prefix = settings.get("endpoint_name_prefix") or "sm-clarify"
    name = f"{prefix}-{int(time.time())}-{uuid.uuid4().hex[:6]}"
    variant = {
        "VariantName": "shadow",
        "ModelName": settings["model_name"],
        "InstanceType": settings.get("instance_type") or "ml.m5.large",
        "InitialInstanceCount": settings.get("initial_instance_count") or 1,
    }
    say(f"Spinning up shadow endpoint: {name}")
    try:
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        _await(sagemaker, name)
        yield Predictor(runtime, name, settings)
    except botocore.exceptions.ClientError as error:
        raise UserError(f"The model cannot be served: {error}") from None
    finally:
        _end(sagemaker, name)


def _await(sagemaker: Any, name: str) -> None:
    while (found := sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        time.sleep(POLL)
    if found["EndpointStatus"] != "InService":
        raise UserError(
            f"The endpoint of the model is {found['EndpointStatus']}: {found.get('FailureReason', '')}"
        )


def _end(sagemaker: Any, name: str) -> None:
    """Delete what there is of the endpoint."""
    for delete, named in (
        (sagemaker.delete_endpoint, {"EndpointName": name}),
        (sagemaker.delete_endpoint_config, {"EndpointConfigName": name}),
    ):
        try:
            delete(**named)
        except botocore.exceptions.ClientError as error:
            say(f"{name} is not there to be deleted: {error}")
    say(f"Stopped shadow endpoint: {name}")
