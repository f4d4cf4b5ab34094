"""FilterLogEvents as CloudWatch Logs has it: moto does not read logStreamNamePrefix, nor does it order by time.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.logs.exceptions import InvalidParameterException
from moto.logs.responses import LogsResponse

_BOTH = "LogStreamNamePrefix and LogStreamNames cannot be both specified."  # AWS does not document its words


def install() -> None:
    """Let moto answer FilterLogEvents so."""
    LogsResponse.filter_log_events = _filter


def _filter(response: Any) -> str:
    ask, backend = response._get_param, response.logs_backend
    group, names, prefix = ask("logGroupName"), ask("logStreamNames", []), ask("logStreamNamePrefix")
    if prefix is not None:
        if names:
            raise InvalidParameterException(msg=_BOTH)
        names = [name for name in _streams(backend, group) if name.startswith(prefix)]
        if not names and group in backend.groups:
            return json.dumps({"events": [], "searchedLogStreams": []})
    window, page = (ask("startTime"), ask("endTime")), (ask("limit"), ask("nextToken"))
    events, token, searched = backend.filter_log_events(
        group, names, *window, *page, ask("filterPattern"), interleaved=True
    )
    return json.dumps({"events": events, "nextToken": token, "searchedLogStreams": searched})


def _streams(backend: Any, group: str) -> list[str]:
    found = backend.groups.get(group)
    return list(found.streams) if found else []
