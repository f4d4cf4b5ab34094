#!/bin/bash
# Run on each node of the cluster before Spark starts there: recommend.py speaks to S3 and DynamoDB by boto3.
python3 -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("boto3") is None)' && exit 0
sudo python3 -m pip install boto3
