"""A data stream of Kinesis's as the source of a delivery stream: read once a second, with the source's role.

How far each shard is read is kept with the records, in one transaction: a kill neither loses nor doubles any.
https://docs.aws.amazon.com/firehose/latest/dev/writing-with-kinesis-streams.html
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.engine.firehose.delivery import Delivery
from sagelab.cloud.engine.streams import reader
from sagelab.cloud.engine.streams.reader import END, ShardReader

EVERY, LONGEST = 1.0, 30.0  # seconds between two looks; between two that fail, at the most
COUNT = 10_000
LOOK = 10  # looks after which shards are listed anew
BUSY = "ProvisionedThroughputExceededException"

logger = logging.getLogger("sagelab")


class Source:
    """client: of Kinesis, with the role's rights. start: when the delivery stream was made."""

    def __init__(
        self,
        delivery: Delivery,
        stream: str,
        start: datetime,
        client: Callable[[], Any],
        complain: Callable[[Exception], None],
    ) -> None:
        self._delivery, self._stream, self._client, self._complain = delivery, stream, client, complain
        self._start = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": start}
        self._readers: dict[str, ShardReader] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"source of {delivery.name}")
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5)

    def _run(self) -> None:
        looks, pause = 0, EVERY
        while not self._closed.is_set():
            try:
                if looks % LOOK == 0:
                    self._find()
                looks, pause = looks + 1, EVERY
                more = self._look()
                if more:
                    continue
            except (ClientError, BotoCoreError) as error:
                if self._closed.is_set():
                    return
                looks, pause = 0, min(LONGEST, pause * 2)
                self._complain(error)
            except Exception:
                if self._closed.is_set():
                    return
                logger.exception("the source of %s stumbled", self._delivery.name)
                pause = min(LONGEST, pause * 2)
            self._closed.wait(pause)

    def _find(self) -> None:
        places = self._delivery.spool.places()
        for one in reader.shards(self._client(), self._stream):
            shard = one["ShardId"]
            if shard not in self._readers and places.get(shard) != END:
                self._readers[shard] = ShardReader(
                    self._client, self._stream, shard, self._start, places.get(shard, "")
                )

    def _look(self) -> bool:
        """Read each shard once; whether one of them has more."""
        more = False
        for one in list(self._readers.values()):
            if self._closed.is_set() or self._delivery.full:
                return False
            before = one.place
            try:
                found = one.read(COUNT)
                self._keep(one, found)
            except ClientError as error:
                if error.response["Error"]["Code"] != BUSY:
                    raise
                continue
            except Exception:
                one.back(before)  # it is not kept
                raise
            more |= found.behind > 0
        return more

    def _keep(self, one: ShardReader, found: reader.Read) -> None:
        rows = [(row["Data"], _facts(row, one.shard)) for row in found.records]
        size = sum(len(data) for data, _ in rows)
        self._delivery.measure(
            DataReadFromKinesisStream__Records=len(rows),
            DataReadFromKinesisStream__Bytes=size,
            KinesisMillisBehindLatest=found.behind,
        )
        if rows or found.ended:
            self._delivery.add(rows, [(one.shard, END if found.ended else one.place)])
        if found.ended:
            del self._readers[one.shard]


def _facts(row: dict[str, Any], shard: str) -> dict[str, Any]:
    return {"sequence": row["SequenceNumber"], "key": row["PartitionKey"], "shard": shard}
