"""Workers of EMR Serverless by Spark's properties, and what a machine makes of them; spark-submit's words."""

from __future__ import annotations

import pytest

from sagelab.spark import words
from sagelab.spark.plan import Machine
from sagelab.spark.serverless import workers
from sagelab.spark.serverless.request import Request

LAPTOP, LARGE = Machine(8 * 1024, 2), Machine(64 * 1024, 16)
SMALL = {
    f"spark.{name}.{what}": size
    for name in ("driver", "executor")
    for what, size in (("memory", "2g"), ("cores", "1"))
}


def test_what_is_not_said_is_as_on_aws_and_as_many_executors_as_a_machine_has_cores_for() -> None:
    found = workers.asked({})
    assert str(found.driver) == "4 vCPU and 16 GB"
    assert (found.count, found.dynamic, found.total(3)) == (3, True, (16, 64, 80))
    assert (found.hosts(LAPTOP), found.hosts(LARGE)) == (1, 3)
    assert workers.asked({"spark.dynamicAllocation.maxExecutors": "2"}).hosts(LARGE) == 2


def test_executors_that_are_said_are_there_four_at_the_most() -> None:
    said = workers.asked(SMALL | {"spark.executor.instances": "2"})
    assert (said.hosts(LAPTOP), said.dynamic) == (2, False)
    assert workers.asked({"spark.executor.instances": "50"}).hosts(LARGE) == workers.MOST_HOSTS


def test_a_plan_is_what_is_asked_as_far_as_a_machine_has_it() -> None:
    found = workers.asked(SMALL)
    alone, several = found.plan(1, LARGE), found.plan(2, LARGE)
    assert (alone.driver, alone.cores, alone.parallelism) == (4096, 1, 2)
    assert (several.driver, several.executor, several.parallelism) == (2048, 2048, 4)
    assert workers.asked({}).plan(2, LAPTOP).executor == 4096 // 3
    assert workers.asked({}).plan(1, LAPTOP).cores == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("spark.driver.cores", "5", "a worker has 1, 2, 4, 8, 16 vCPU"),
        ("spark.executor.cores", "x", "a whole number is needed"),
        ("spark.executor.memory", "28g", "8 to 30 GB of memory"),
        ("spark.emr-serverless.driver.disk", "5g", "20 to 2000 GB of disk"),
        ("spark.emr-serverless.memoryOverheadFactor", "much", "a number is needed"),
    ],
)
def test_workers_that_there_are_not(name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        workers.asked({name: value})


def test_words_become_properties_and_what_is_planned_is_not_told_again() -> None:
    line = "--class a.B -c spark.a=1 --conf=spark.b=x=y --verbose --driver-memory 2g --master yarn"
    line += " --conf spark.dynamicAllocation.enabled=false --archives s3://b/e.tar.gz#e --jars s3://b/j.jar"
    asked = Request("n", "s3://b/j.jar", [], line.split(), {"spark.a": "0", "spark.c": "2"}, "", executors=False)
    assert {name: asked.properties[name] for name in ("spark.a", "spark.b", "spark.c", "spark.driver.memory")} == {
        "spark.a": "1",
        "spark.b": "x=y",
        "spark.c": "2",
        "spark.driver.memory": "2g",
    }
    assert asked.archives == ["s3://b/e.tar.gz#e"]
    kept = asked.options(lambda name: name.startswith(("spark.a", "spark.b")) and name != "spark.archives")
    assert kept == "--class a.B --conf spark.a=1 --conf spark.b=x=y --verbose --jars s3://b/j.jar".split()
    assert words.parse(["--deploy-mode", "cluster", "a.py", "--b"]).application == ["a.py", "--b"]
