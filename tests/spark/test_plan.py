"""What Spark is given: AWS's plan for an instance, as far as this machine has it."""

from __future__ import annotations

import pytest

from sagelab.spark.plan import Machine, instance, make

LARGE, LAPTOP = Machine(1 << 20, 128), Machine(16_384, 8)


@pytest.mark.parametrize(
    ("name", "memory", "cores"),
    [
        ("ml.m5.xlarge", 16, 4),
        ("ml.c5.2xlarge", 16, 8),
        ("ml.r5.large", 16, 2),
        ("ml.t3.medium", 4, 2),
        ("ml.m5.24xlarge", 384, 96),
        ("nonsense", 16, 4),
    ],
)
def test_an_instance_is_known_by_its_name(name: str, memory: int, cores: int) -> None:
    assert instance(name) == Machine(memory * 1024, cores)


def test_a_machine_that_is_large_enough_gives_what_aws_plans() -> None:
    plan = make("ml.m5.xlarge", 2, LARGE)
    assert plan.defaults() == {
        "spark.driver.memory": "14745m",
        "spark.executor.memory": "14008m",
        "spark.executor.cores": "4",
        "spark.default.parallelism": "16",
        "spark.sql.shuffle.partitions": "16",
    }


def test_hosts_share_half_of_a_small_machine() -> None:
    alone, several = make("ml.m5.24xlarge", 1, LAPTOP), make("ml.m5.24xlarge", 3, LAPTOP)
    assert (alone.driver, alone.cores) == (8192, 8)
    assert several.driver + 3 * several.executor == 8192
    assert make("ml.m5.xlarge", 20, Machine(2048, 1)).executor == 512
