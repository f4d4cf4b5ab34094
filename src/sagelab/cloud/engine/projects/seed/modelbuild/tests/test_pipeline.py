"""The scripts learn, and the definition names them."""

import json
import unittest

from pipelines import prepare, train
from pipelines.pipeline import Settings, define


class TestPipeline(unittest.TestCase):
    def test_the_classifier_learns(self) -> None:
        rows = prepare.split()
        model = train.train(rows["train"], 0.1)
        assert model.score(rows["test"][:, 1:], rows["test"][:, 0].astype(int)) > 0.9

    def test_the_definition_has_its_steps(self) -> None:
        definition = define(Settings("image", "role", "bucket", "s3://code", "s3://source", "group"))
        assert [step["Name"] for step in definition["Steps"]] == ["Prepare", "Train", "Evaluate", "IsGood"]
        assert "s3://source" in json.dumps(definition)
