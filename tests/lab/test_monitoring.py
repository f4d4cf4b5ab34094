from __future__ import annotations

import json

import pytest

from sagelab.lab import monitoring
from sagelab.lab.session import Lab


def line(called: str) -> str:
    return json.dumps({"captureData": {}, "eventMetadata": {"inferenceId": called}})


def test_captured_requests_are_counted_by_what_they_are_called(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, text in enumerate((f"{line('scanner')}\n{line('probe')}\n", line("scanner"))):
        lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/captured/v2/{number}.jsonl", Body=text)
    assert monitoring.captured(lab, lab.uri("captured"), "scanner", at_least=2) == 2
    monkeypatch.setitem(monitoring.LATE, "local", 0.0)
    with pytest.raises(monitoring.MonitoringFailed, match="1 requests called probe are captured"):
        monitoring.captured(lab, lab.uri("captured"), "probe", at_least=2)
