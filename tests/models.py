"""AWS's models, read before a local cloud is forked (clouds.py): each would read some of them for its first call.

A warm Python runs this (warm.py). One loader of botocore's serves every session of its forks.
"""

from __future__ import annotations

import botocore.session
from botocore.loaders import create_loader

FIRST = ("s3", "sagemaker", "iam", "sts", "logs", "cloudwatch")

loader = create_loader()
botocore.session.create_loader = lambda *_, loader=loader: loader
for name in ("endpoints", "partitions"):
    loader.load_data(name)
for name in FIRST:
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model(name, kind)
