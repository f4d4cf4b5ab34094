"""SageMaker's training toolkit as this host runs it: told once what it would find out three times.

It makes its Environment anew at each step, and each has boto3 read all of its settings for the region alone, and
looks for two commands that are of images with GPUs: 60 ms of an empty job.
https://github.com/aws/sagemaker-training-toolkit (src/sagemaker_training/environment.py)
"""

from __future__ import annotations

import os
from functools import cache
from types import SimpleNamespace
from typing import Any

LOOKS = ("validate_smddprun", "validate_smddpmprun")  # for a command, each time


def main() -> None:
    """Run the job that this host is of, and exit with its code."""
    from sagemaker_training import environment, trainer

    hasten(environment)
    trainer.train()


def hasten(environment: Any) -> None:
    """Let the toolkit's module `environment` look once, and read the region where it stands."""
    for name in LOOKS:
        setattr(environment, name, cache(getattr(environment, name)))
    session = cache(environment.boto3.session.Session)

    def told() -> Any:
        region = os.environ.get("AWS_DEFAULT_REGION")
        return SimpleNamespace(region_name=region) if region else session()

    environment.boto3 = SimpleNamespace(session=SimpleNamespace(Session=told))


if __name__ == "__main__":
    main()
