"""Which warm Python runs a job's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.cloud.engine.images.environments import HUGGING_FACE, KERAS_2, SKLEARN, XGBOOST, Environment
from sagelab.cloud.engine.images.runtimes import PYTHON, TENSORFLOW, TOOLKIT, choose

QUIET = "import os\nos.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\nimport tensorflow\n"
ONE_THREAD = "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport tensorflow\n"


@pytest.mark.parametrize(
    ("files", "toolkit", "runtime"),
    [
        ({"train.py": "import keras"}, False, TENSORFLOW),
        ({"train.py": "import keras", "requirements.txt": "six"}, False, TENSORFLOW),
        ({"train.py": "print()"}, False, PYTHON),
        ({"train.py": "print()"}, True, TENSORFLOW),
        ({"train.py": QUIET}, False, TENSORFLOW),
        ({"train.py": ONE_THREAD}, False, PYTHON),
        ({"train.py": ONE_THREAD}, True, TOOLKIT),
        ({"train.py": "import keras", "keras.py": ""}, False, PYTHON),
    ],
)
def test_code_is_run_by_the_python_that_suits_it(
    tmp_path: Path, files: dict[str, str], toolkit: bool, runtime: object
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert choose(tmp_path, toolkit) == runtime


@pytest.mark.parametrize(
    ("environment", "source", "forks"),
    [
        (SKLEARN, "import sklearn", ("train", "python3")),
        (SKLEARN, ONE_THREAD, ("train",)),
        (XGBOOST, "os.environ['OMP_NUM_THREADS'] = '2'; import xgboost", ("train",)),
        (HUGGING_FACE, 'os.environ["HF_HOME"] = "/tmp/hf"; import transformers', ("train",)),
        (HUGGING_FACE, 'task = os.environ["HF_TASK"]', ("train", "python3")),
    ],
)
@pytest.mark.parametrize("toolkit", [True, False])
def test_code_that_sets_what_is_read_at_an_import_is_run_by_a_fresh_python(
    tmp_path: Path, environment: Environment, source: str, forks: tuple[str, ...], toolkit: bool
) -> None:
    (tmp_path / "train.py").write_text(source)
    found = choose(tmp_path, toolkit, environment)
    assert (found.environment, found.imports, found.forks) == (environment, environment.imports, forks)


@pytest.mark.parametrize(("source", "warm"), [("import keras", True), (ONE_THREAD, False)])
def test_code_of_keras_2_has_a_python_of_its_own(tmp_path: Path, source: str, warm: bool) -> None:
    (tmp_path / "train.py").write_text(source)
    found = choose(tmp_path, False, KERAS_2)
    assert found.environment is KERAS_2
    assert ("tf_keras" in found.imports) is warm
