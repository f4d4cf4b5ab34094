from __future__ import annotations

import io
import tarfile
from typing import Any

from sagelab.lab import advice
from sagelab.lab.session import Lab


def advised(instance: str, hourly: float, most: int, latency: int) -> dict[str, Any]:
    cost = hourly / 60 / most
    measured = {"CostPerHour": hourly, "CostPerInference": cost, "MaxInvocations": most, "ModelLatency": latency}
    return {"Metrics": measured, "EndpointConfiguration": {"InstanceType": instance}}


JOB = {
    "InferenceRecommendations": [advised("ml.c5.xlarge", 0.204, 3000, 10), advised("ml.c5.large", 0.102, 2400, 20)]
}


def test_the_cheapest_answer_stands_first() -> None:
    table = advice.table(JOB)
    assert list(table["instance"]) == ["ml.c5.large", "ml.c5.xlarge"]
    assert round(table["dollars_a_million"][0], 3) == round(0.102 / 60 / 2400 * 1e6, 3)


def test_a_serverless_candidate_goes_by_its_memory() -> None:
    asked = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 4}}
    each = {"Metrics": {"MaxInvocations": 10, "ModelLatency": 5}, "EndpointConfiguration": asked}
    assert advice.table({"InferenceRecommendations": [each]})["instance"][0] == "serverless, 2048 MB"
    assert advice.table({}).empty


def test_the_frontier_is_what_nothing_beats_in_both() -> None:
    assert advice.frontier([(3, 1), (1, 3), (2, 2), (3, 3), (2, 2)]) == [(1, 3), (2, 2), (3, 1)]


def test_the_picture_tells_advice_and_own_numbers() -> None:
    figure: Any = advice.show(advice.table(JOB), {"mine": (18.0, 0.7)})
    assert "ml.c5.large 20 ms and $0.71" in figure.alt
    assert figure.alt.endswith("The load test: mine 18 ms and $0.70")
    figure.savefig(io.BytesIO(), format="png")


def test_samples_lie_in_the_labs_prefix_as_an_archive(lab: Lab) -> None:
    uri = advice.upload_samples(lab, b"one", b"two")
    assert uri == lab.uri("samples.tar.gz")
    body = lab.client("s3").get_object(Bucket=lab.bucket, Key=f"{lab.prefix}/samples.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        kept = [archive.extractfile(member) for member in archive]
        assert [each.read() for each in kept if each] == [b"one", b"two"]
