"""Functions: a call of one that is warm, of one that has no environment yet, and many at a time."""

from __future__ import annotations

import io
import json
import statistics
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from place import Place, local_cloud
from table import Result

NAME, ROLE = "bench", "bench-functions"
CODE = "def handler(event, context):\n    return event\n"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
RIGHTS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}}
AT_A_TIME = 8


def functions(quick: bool) -> Iterator[Result]:
    count, starts = (20, 3) if quick else (200, 15)
    with local_cloud() as place:
        client = _make(place)
        _call(client)  # the warm Python has started
        cold = [_cold(client, number) for number in range(starts)]
        warm = [_call(client) for _ in range(count)]
        many = _many(client, count)
    seen = f"p50 of {starts}: a new environment for a call; slowest {1000 * max(cold):.0f} ms"
    yield Result("call of a function without an environment", statistics.median(cold), 0.4, "s", seen=seen)
    slow = 1000 * statistics.quantiles(warm, n=10)[-1]
    seen = f"p50 of {count}; p90 {slow:.1f} ms"
    yield Result("call of a warm function", 1000 * statistics.median(warm), 15.0, "ms", seen=seen)
    seen = f"{count} calls, {AT_A_TIME} at a time"
    yield Result("calls a second of a warm function", many, 50.0, at_least=True, seen=seen)


def _make(place: Place) -> Any:
    """A client of Lambda; its function is made."""
    iam, client, code = place.client("iam"), place.client("lambda"), io.BytesIO()
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="logs", PolicyDocument=json.dumps(RIGHTS))
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", CODE)
    asked = {"Runtime": "python3.11", "Handler": "index.handler", "Role": role}
    client.create_function(FunctionName=NAME, Code={"ZipFile": code.getvalue()}, **asked)
    return client


def _call(client: Any) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    answer = client.invoke(FunctionName=NAME, Payload=b"{}")
    assert answer["Payload"].read() == b"{}"
    return time.perf_counter() - began


def _cold(client: Any, number: int) -> float:
    client.update_function_configuration(FunctionName=NAME, Description=str(number))  # ends its environments
    return _call(client)


def _many(client: Any, count: int) -> float:
    """Calls a second, once there is an environment for each of those at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda _: _call(client), range(AT_A_TIME)))
        began = time.perf_counter()
        list(pool.map(lambda _: _call(client), range(count)))
        return count / (time.perf_counter() - began)
