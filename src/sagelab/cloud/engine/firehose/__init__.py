"""Delivery streams: records kept until they are in S3."""
