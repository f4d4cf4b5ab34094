"""A shard read through the front door, with a role's rights, from wherever a reader has come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

END = "END"  # the place of a shard that is closed and read to its end


@dataclass(frozen=True)
class Read:
    """records: as GetRecords has them. ended: nothing comes after them. behind: milliseconds."""

    records: list[dict[str, Any]]
    ended: bool
    behind: int


def shards(client: Any, stream: str) -> list[dict[str, Any]]:
    """The shards of a stream, by its ARN, as ListShards has them. ClientError: they are not told."""
    found, page = [], client.list_shards(StreamARN=stream)
    while True:
        found += page["Shards"]
        if not page.get("NextToken"):
            return found
        page = client.list_shards(NextToken=page["NextToken"])


class ShardReader:
    """client: of Kinesis, made anew each time. start: of GetShardIterator, where there is no place yet."""

    def __init__(
        self, client: Callable[[], Any], stream: str, shard: str, start: dict[str, Any], place: str = ""
    ) -> None:
        self._client, self._stream, self.shard, self._start = client, stream, shard, start
        self.place = place
        self._token = ""

    def read(self, count: int) -> Read:
        """What comes next, so many records at most; the place is after them. ClientError: it is not told."""
        client = self._client()
        if not self._token:
            self._token = self._iterator(client)
        try:
            answer = client.get_records(ShardIterator=self._token, Limit=count, StreamARN=self._stream)
        except ClientError:
            self._token = ""  # it is too old, or what it is of has changed: the next one is made by the place
            raise
        self._token = answer.get("NextShardIterator") or ""
        if answer["Records"]:
            self.place = answer["Records"][-1]["SequenceNumber"]
        return Read(answer["Records"], not self._token, answer.get("MillisBehindLatest", 0))

    def back(self, place: str) -> None:
        """Read from after a place again."""
        self.place, self._token = place, ""

    def _iterator(self, client: Any) -> str:
        where = {"StreamARN": self._stream, "ShardId": self.shard}
        after = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self.place}
        return str(client.get_shard_iterator(**where, **(after if self.place else self._start))["ShardIterator"])
