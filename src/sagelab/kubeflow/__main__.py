"""Run a pipeline by kfp.local, in the environment that has kfp.

    python -m sagelab.kubeflow FILE [NAME=VALUE ...]

FILE is a Python file with one pipeline function, or a pipeline that was compiled. Tasks are processes of this
environment. What comes of the pipeline is printed as JSON; exit code 1: a task failed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from sagelab.kubeflow import serverless  # noqa: F401 - before kfp

# isort: split
from kfp import components, local
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.graph_component import GraphComponent


def main() -> None:
    """Run what the arguments say."""
    file, *given = sys.argv[1:]
    pipeline = load(Path(file))
    arguments = read(pipeline, given)
    local.init(runner=local.SubprocessRunner(use_venv=False))
    try:
        task: Any = pipeline(**arguments)
    except RuntimeError as error:
        sys.exit(str(error))
    print(json.dumps({name: _shown(value) for name, value in task.outputs.items()}))


def load(file: Path) -> BaseComponent:
    """The pipeline of a file. SystemExit: it has none, or several."""
    if file.suffix in (".yaml", ".yml", ".json"):
        found: BaseComponent = components.load_component_from_file(str(file))
        return found
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        sys.exit(f"{file} is no Python file and no compiled pipeline (.yaml, .json).")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    spec.loader.exec_module(module)
    pipelines = {name: one for name, one in vars(module).items() if isinstance(one, GraphComponent)}
    if len(pipelines) != 1:
        sys.exit(f"{file} must have one function with @dsl.pipeline; it has {', '.join(pipelines) or 'none'}.")
    return next(iter(pipelines.values()))


def read(pipeline: BaseComponent, given: list[str]) -> dict[str, Any]:
    """NAME=VALUE by the types of the pipeline's parameters: a text as it is, all else as JSON. SystemExit."""
    inputs, found = pipeline.component_spec.inputs or {}, {}
    for one in given:
        name, equal, text = one.partition("=")
        if not equal or name not in inputs:
            sys.exit(f"{one} names no parameter; there are {', '.join(inputs) or 'none'}.")
        try:
            found[name] = text if inputs[name].type == "String" else json.loads(text)
        except ValueError:
            sys.exit(f"{name} must be a value of JSON, of the type {inputs[name].type}.")
    return found


def _shown(value: Any) -> Any:
    """An artifact is shown by its place and what it tells of itself."""
    return {"uri": value.uri, "metadata": value.metadata} if hasattr(value, "uri") else value


if __name__ == "__main__":
    main()
