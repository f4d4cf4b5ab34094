"""python3 -m sagelab.replication: the first process of a host; it does one thing, and tells by a socket what came.

    test      whether a source answers          schemas   of a source
    run       a task, until it ends             drop      what a task has left in its source

The local cloud sends what is asked for, with the password of the source; it believes nothing of what comes back
but numbers and words.
"""

from __future__ import annotations

import os
from typing import Any

from sagelab.replication import clients, errors, mappings
from sagelab.replication.channel import Channel
from sagelab.replication.errors import Stopped
from sagelab.replication.rows import Source
from sagelab.replication.target import Bucket
from sagelab.replication.task import Task

SOCKET, SERVER = "SAGELAB_REPLICATION", "SAGELAB_SERVER"
DATABASE = "/srv/database"  # the folder of a database of SQLite's


def main() -> None:
    channel = Channel(os.environ.pop(SOCKET))
    head, asked = channel.receive()
    try:
        channel.tell("done", _work(head, asked, channel))
    except Stopped:
        channel.tell("done", {"stopped": True})
    except BaseException as error:
        channel.tell("failed", errors.explain(error))


def _work(head: dict[str, Any], asked: dict[str, Any], channel: Channel) -> dict[str, Any]:
    rules = mappings.parse(asked["mappings"]) if "mappings" in asked else mappings.Mappings()
    source = _source(asked["source"], str(asked.get("key", "none")), rules)
    try:
        match head["kind"]:
            case "test":
                return {}
            case "schemas":
                return {"schemas": source.schemas()}
            case "drop":
                source.drop()
                return {}
        bucket = Bucket(clients.s3(head["url"], head["region"]), asked["bucket"], asked["seal"])
        return Task(asked, source, rules, bucket, channel).run()
    finally:
        source.close()


def _source(asked: dict[str, Any], key: str, rules: mappings.Mappings) -> Source:
    takes: Any = rules.takes
    if asked["engine"] == "sqlite":
        from sagelab.replication.sqlite import Sqlite

        folder = os.environ.get("SAGELAB_DATABASE", DATABASE)
        return Sqlite(f"{folder}/{asked['database']}.db", key, takes)
    from sagelab.replication.postgres import Postgres

    return Postgres(asked | {"server": os.environ[SERVER]}, f"awsdms_{key}")


if __name__ == "__main__":
    main()
