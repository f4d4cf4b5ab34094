"""Where an object of S3 is, by its URI or by an address of S3's."""

from __future__ import annotations

import pytest

from sagelab.cloud.engine.data.channels import Location, locate


@pytest.mark.parametrize(
    "uri",
    [
        "s3://a.bucket/some/key",
        "https://s3.amazonaws.com/a.bucket/some/key",
        "https://s3-eu-west-1.amazonaws.com/a.bucket/some/key",
        "https://s3.eu-west-1.amazonaws.com/a.bucket/some/key",
        "https://a.bucket.s3.amazonaws.com/some/key",
        "https://a.bucket.s3-eu-west-1.amazonaws.com/some/key",
        "https://a.bucket.s3.eu-west-1.amazonaws.com/some/key",
    ],
)
def test_an_object_is_where_its_uri_or_its_address_says(uri: str) -> None:
    assert locate(uri) == Location("a.bucket", "some/key")


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/a.bucket/some/key",
        "https://s3.amazonaws.com/",
        "https://s3.amazonaws.com.example.com/a.bucket/key",
        "http://s3.amazonaws.com/a.bucket/key",
        "s3:///key",
        "a.bucket/key",
    ],
)
def test_what_is_neither_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="is not an S3 URI"):
        locate(uri)
