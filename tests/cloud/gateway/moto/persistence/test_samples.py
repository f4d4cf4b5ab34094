from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.cloudwatch.models import MetricDatum

from sagelab.cloud.gateway.moto.persistence.database import Database
from sagelab.cloud.gateway.moto.persistence.samples import Samples


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "services.db")
    yield made
    made.close()


def backend() -> Any:
    return SimpleNamespace(account_id="1", region_name="r", metric_data=[], paged_metric_data={})


def datum(number: int) -> Any:
    return MetricDatum("n", "m", float(number), [{"Name": "d", "Value": "v"}], None, "Count")


def test_the_oldest_of_too_many_samples_go_in_memory_and_in_the_home(database: Database) -> None:
    samples, kept = Samples(database, most=10), backend()
    for number in range(25):
        kept.metric_data.append(datum(number))
        assert samples.keep(kept)
        assert len(kept.metric_data) <= 10
    values = [one.value for one in kept.metric_data]
    assert values == [float(number) for number in range(25 - len(values), 25)]
    again = backend()
    Samples(database, most=10).restore(again)
    assert [one.value for one in again.metric_data] == values


def test_samples_of_one_metric_share_its_names(database: Database) -> None:
    kept = backend()
    kept.metric_data += [datum(1), datum(2)]
    Samples(database).keep(kept)
    first, second = kept.metric_data
    assert first.dimensions is second.dimensions
