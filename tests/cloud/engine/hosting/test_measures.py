from __future__ import annotations

from sagelab.cloud.engine.hosting.measures import SAMPLES, _thin


def test_few_latencies_are_all_kept() -> None:
    assert _thin([3.0, 1.0]) == [3.0, 1.0]


def test_many_latencies_keep_their_distribution() -> None:
    kept = _thin([float(n) for n in range(10_001)])
    assert len(kept) == SAMPLES
    assert (kept[0], kept[-1]) == (0.0, 10_000.0)
    assert abs(kept[SAMPLES // 2] - 5_000) < 200
