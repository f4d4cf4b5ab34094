"""A configuration in EMR's form becomes the files that Spark and Hadoop read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sagelab.spark.configuration import LIMIT, parse, read


def one(name: str, **more: Any) -> dict[str, Any]:
    return {"Classification": name, "Properties": {}} | more


def test_each_classification_has_its_place() -> None:
    export = [one("export", Properties={"WORDS": "two words"})]
    found = parse(
        [
            one("spark-defaults", Properties={"spark.sql.shuffle.partitions": "3", "spark.speculation": True}),
            one("core-site", Properties={"fs.s3a.paging.maximum": "10", "a<b": "&"}),
            one("core-site", Properties={"fs.s3a.paging.maximum": "20"}),
            one("spark-log4j", Properties={"rootLogger.level": "warn"}),
            one("spark-env", Configurations=export),
            one("yarn-site", Properties={"yarn.x": "1"}),
        ]
    )
    assert found.defaults == {"spark.sql.shuffle.partitions": "3", "spark.speculation": "true"}
    assert found.environment == {"WORDS": "two words"}
    assert found.idle == ["yarn-site"]
    assert found.files["log4j2.properties"] == "rootLogger.level=warn\n"
    site = ElementTree.fromstring(found.files["core-site.xml"])
    pairs = {row.findtext("name"): row.findtext("value") for row in site}
    assert pairs == {"fs.s3a.paging.maximum": "20", "a<b": "&"}


def test_a_value_stays_on_its_line() -> None:
    found = parse(one("spark-defaults", Properties={"spark.app.name": "a\nspark.master local"}))
    assert found.defaults == {"spark.app.name": "a spark.master local"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (one("flink-conf"), "Invalid classification: flink-conf. Must be one of"),
        (one("spark-env"), "'env' classifications require a sub-configuration."),
        (one("spark-env", Configurations=[one("exports")]), "must use the 'export' sub-classification."),
        (one("core-site", Properties=["x"]), "core-site: Properties are names with their values"),
        ("text", "A configuration has a Classification and Properties."),
        ([1], "A configuration has a Classification and Properties."),
    ],
)
def test_what_is_no_configuration_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid|'env'|export|Properties") as caught:
        parse(given)
    assert said in str(caught.value)


def test_a_file_is_read_within_bounds(tmp_path: Path) -> None:
    file = tmp_path / "configuration.json"
    assert read(file).defaults == {}
    file.write_text(json.dumps(one("spark-defaults", Properties={"a": "b"})))
    assert read(file).defaults == {"a": "b"}
    file.write_text(" " * LIMIT + "[]")
    with pytest.raises(ValueError, match="more than 1,048,576 bytes"):
        read(file)
