"""The lines of log streams while they grow: each is fetched once, however often somebody looks."""

from __future__ import annotations

from typing import Any


class Streams:
    """What stands in the streams of a group whose names begin with `prefix`."""

    def __init__(self, logs: Any, group: str, prefix: str) -> None:
        """logs: a boto3 client."""
        self._logs, self._where = logs, {"logGroupName": group, "logStreamNamePrefix": prefix}
        self._lines: dict[str, list[str]] = {}
        self._tokens: dict[str, str] = {}

    def lines(self) -> list[str]:
        """Every line so far, stream by stream; none before there is a log."""
        try:
            names = [one["logStreamName"] for one in self._logs.describe_log_streams(**self._where)["logStreams"]]
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        for name in names:
            self._read(name)
        return [line for name in names for line in self._lines[name]]

    def _read(self, name: str) -> None:
        """Fetch what is new in a stream: the end is where the same token comes back.

        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
        """
        kept = self._lines.setdefault(name, [])
        token: str | None = self._tokens.get(name)
        while True:
            given = {"nextToken": token} if token else {}
            page = self._logs.get_log_events(
                logGroupName=self._where["logGroupName"], logStreamName=name, startFromHead=True, **given
            )
            kept.extend(event["message"] for event in page["events"])
            if page["nextForwardToken"] == token:
                break
            token = page["nextForwardToken"]
        self._tokens[name] = str(token)


def said(lines: list[str]) -> str:
    """What a host printed, without the local cloud's own lines."""
    return "\n".join(line for line in lines if not line.startswith("[sagelab]"))
