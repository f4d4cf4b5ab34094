"""Count what is clicked now: the handler of a Lambda function that reads a Kinesis data stream, batch after batch.

In    records of the stream, each a click in JSON
      TABLE from the environment: an item an hour and article, with its clicks so far
Log   a line a batch: how many clicks, of how many articles

A batch that fails is read again, and what it had counted is counted twice. For a list of what is read now that
does no harm; for money it would.
"""

import base64
import json
import os
from collections import Counter

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):  # noqa: ARG001, so are handlers called
    """Add a batch's clicks to those of their hour."""
    clicks = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]
    counts = Counter((click["time"][:13], click["article"]) for click in clicks)
    for (hour, article), count in counts.items():
        table.update_item(
            Key={"hour": hour, "article": article},
            UpdateExpression="ADD clicks :count",
            ExpressionAttributeValues={":count": count},
        )
    print(f"{len(clicks)} clicks of {len(counts)} articles")
