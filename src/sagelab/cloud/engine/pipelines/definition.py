"""A pipeline's definition, read: parameters and steps, each with what it depends on.

The steps in a condition's branches stand beside the others, with the branches that they are in. What is wrong with
a definition is said when it is given, before anything runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.pipelines import cleanup, conditions, functions, loops, quality_checks
from sagelab.cloud.engine.pipelines.caching import Cache, read_cache
from sagelab.cloud.engine.pipelines.expressions import BadExpression, references, split, split_step
from sagelab.cloud.engine.pipelines.kinds import ELSEWHERE, KINDS, LATER
from sagelab.cloud.engine.pipelines.retries import Policy, read_policies

VERSION = "2020-12-01"
MAX_BYTES, MAX_DEPTH, MAX_STEPS, MAX_PARAMETERS = 1 << 20, 60, 50, 200
TYPES = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,63}")
NUMBERED = re.compile(r"(.+)-\d+")
PARAMETER_NAME = re.compile(r"[A-Za-z0-9\-_]{1,256}")


_OTHERS = (
    "Condition",
    "Fail",
    "Callback",
    "Lambda",
    "Cleanup",
    "ForEach",
    *ELSEWHERE,
)  # that create nothing of SageMaker's


class BadDefinition(ValueError):
    """A definition that cannot run; the text says why."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a pipeline. default: None where it must be given."""

    name: str
    type: str
    default: Any = None
    enum: tuple[Any, ...] = ()

    def read(self, text: Any) -> Any:
        """The value that is given as text, or stands in the definition. BadDefinition: it is none."""
        try:
            value = _BOOLEANS[str(text).lower()] if self.type == "Boolean" else TYPES[self.type](text)
        except (KeyError, ValueError, TypeError):
            raise BadDefinition(f"Parameter [{self.name}] is not of type {self.type}: {text!r}") from None
        if self.enum and value not in self.enum:
            raise BadDefinition(f"Parameter [{self.name}] must be one of {list(self.enum)}, not {value!r}")
        return value


_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class PropertyFile:
    """A JSON file of a processing step's output, whose values others may use."""

    output: str
    path: str


@dataclass(frozen=True)
class StepSpec:
    """One step as it is defined. branches: (condition step, its outcome) that it is in. needs: steps before it."""

    name: str
    type: str
    arguments: dict[str, Any]
    needs: frozenset[str]
    reads: frozenset[str]  # those of `needs` whose properties it uses
    branches: tuple[tuple[str, bool], ...] = ()
    cache: Cache | None = None
    policies: tuple[Policy, ...] = ()
    files: dict[str, PropertyFile] = field(default_factory=dict)
    queue: Any = None
    check: dict[str, Any] = field(default_factory=dict)  # of a QualityCheck or ClarifyCheck step, beside its job
    function: Any = None
    outputs: dict[str, str] = field(default_factory=dict)  # name -> type, of a function
    words: dict[str, str] = field(default_factory=dict)  # StepDisplayName, StepDescription
    body: tuple[StepSpec, ...] = ()  # of a ForEach step
    loop: tuple[str, int] | None = None  # the ForEach step that it was made by, and its item's number


@dataclass(frozen=True)
class Definition:
    """parameters, steps: by their names, in their order."""

    parameters: dict[str, Parameter]
    steps: dict[str, StepSpec]


def read(text: str) -> Definition:
    """A definition from its JSON. BadDefinition: what is wrong with it."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise BadDefinition(f"the definition has more than {MAX_BYTES} bytes")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise BadDefinition("the definition is not valid JSON") from None
    _check_depth(given)
    if not isinstance(given, dict) or given.get("Version") != VERSION:
        raise BadDefinition(f"Version must be {VERSION}")
    try:
        parameters = {each.name: each for each in map(_parameter, _objects(given, "Parameters"))}
        found = list(_steps(_objects(given, "Steps"), ()))
        _check_names(found)
        steps = {spec.name: spec for spec in found}
        if len(parameters) > MAX_PARAMETERS:
            raise BadDefinition(f"a pipeline has at most {MAX_PARAMETERS} parameters")
        for spec in steps.values():
            _check_references(spec, parameters, steps)
            body = {one.name: one for one in spec.body}
            for one in spec.body:
                _check_references(one, parameters, steps | body, within=True)
            _check_cycles(body)
    except BadExpression as error:
        raise BadDefinition(str(error)) from None
    _check_cycles(steps)
    return Definition(parameters, steps)


def _check_names(steps: list[StepSpec]) -> None:
    """Each name is one step's, of those that are defined and of those that loops will make."""
    bodies = {one.name for spec in steps for one in spec.body}
    names = [each.name for spec in steps for each in (spec, *spec.body)]
    if not 0 < len(names) <= MAX_STEPS:
        raise BadDefinition(f"a pipeline has 1 to {MAX_STEPS} steps, this one {len(names)}")
    for name in names:
        if names.count(name) > 1:
            raise BadDefinition(f"there are two steps with the name {name}")
        if (made := NUMBERED.fullmatch(name)) and made[1] in bodies:
            raise BadDefinition(f"step {name}: a step of this name is made of {made[1]}, in a ForEachBody")


def _check_depth(value: Any) -> None:
    left = [(value, 0)]
    while left:
        one, depth = left.pop()
        if depth > MAX_DEPTH:
            raise BadDefinition(f"the definition is nested more than {MAX_DEPTH} deep")
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        left += [(each, depth + 1) for each in inner]


def _objects(given: dict[str, Any], member: str) -> list[dict[str, Any]]:
    """A member that is a list of objects, or not there."""
    found = given.get(member) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadDefinition(f"{member} must be a list of objects")
    return found


def _parameter(given: dict[str, Any]) -> Parameter:
    name, kind = given.get("Name"), given.get("Type")
    if not isinstance(name, str) or not PARAMETER_NAME.fullmatch(name):
        raise BadDefinition(f"{str(name)[:80]!r} is not a name of a parameter")
    if not isinstance(kind, str) or kind not in TYPES:
        raise BadDefinition(f"Parameter [{name}] has the type {kind!r}; there are {', '.join(TYPES)}")
    enum = given.get("EnumValues") or []
    found = Parameter(name, kind, enum=tuple(enum) if isinstance(enum, list) else ())
    default = given.get("DefaultValue")
    return found if default is None else Parameter(name, kind, found.read(default), found.enum)


def _steps(given: list[dict[str, Any]], branches: tuple[tuple[str, bool], ...]) -> Iterator[StepSpec]:
    """The steps of a list, and those of the branches within it."""
    for one in given:
        spec = _step(one, branches)
        yield spec
        if spec.type == "Condition":
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                yield from _steps(_objects(one["Arguments"], member), (*branches, (spec.name, outcome)))


def _step(given: dict[str, Any], branches: tuple[tuple[str, bool], ...]) -> StepSpec:
    name, kind, arguments = _read(given)
    body = (
        tuple(_step(one, ()) for one in _objects(given["Arguments"], "ForEachBody")) if kind == "ForEach" else ()
    )
    if kind == "ForEach":
        loops.check(name, arguments, list(body))
    within = {one.name for one in body}
    check = quality_checks.read(name, given) if kind in quality_checks.BASELINES else {}
    asked = {"IterableItems": arguments["IterableItems"]} if kind == "ForEach" else arguments
    used = list(references([asked, given.get("SqsQueueUrl"), given.get("FunctionArn"), check]))
    cleaned = [one["StepName"] for one in cleanup.sources(name, arguments)] if kind == "Cleanup" else []
    reads = frozenset(split_step(each)[0] for each in used if split(each)[0] == "Steps")
    above = frozenset(step for step, _ in branches[-1:])
    reads |= frozenset(step for one in body for step in one.reads) - within
    after = frozenset(step for one in body for step in one.needs) - within
    words = {member: given.get(member) for member in ("DisplayName", "Description")}
    return StepSpec(
        name=name,
        type=kind,
        arguments=arguments,
        needs=reads | frozenset(_depends(name, given)) | frozenset(cleaned) | above | after,
        reads=reads,
        branches=branches,
        cache=read_cache(name, given.get("CacheConfig")),
        policies=read_policies(name, given.get("RetryPolicies")),
        files=_files(given),
        queue=given.get("SqsQueueUrl"),
        check=check,
        function=given.get("FunctionArn"),
        outputs=functions.read_outputs(name, given.get("OutputParameters")) if kind == "Lambda" else {},
        words={f"Step{member}": text for member, text in words.items() if isinstance(text, str)},
        body=body,
    )


def _read(given: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """A step's name, its type, its arguments. BadDefinition: they are not what they should be."""
    name, kind, arguments = given.get("Name"), given.get("Type"), given.get("Arguments")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadDefinition(f"{str(name)[:80]!r} is not a name of a step")
    if not isinstance(kind, str):
        raise BadDefinition(f"step {name}: Type must be a text")
    if kind in LATER:
        raise BadDefinition(f"step {name}: the local cloud does not run steps of type {kind}, {LATER[kind]}")
    if kind not in KINDS and kind not in _OTHERS:
        raise BadDefinition(f"step {name}: there is no step of type {str(kind)[:80]!r}")
    if not isinstance(arguments, dict):
        raise BadDefinition(f"step {name}: Arguments must be an object")
    if kind == "Condition":
        arguments = {"Conditions": arguments.get("Conditions")}
        conditions.check(name, arguments["Conditions"])
    if kind in ELSEWHERE:
        ELSEWHERE[kind].check(name, arguments)
    if kind == "ForEach":
        arguments = {member: value for member, value in arguments.items() if member != "ForEachBody"}
    if kind == "Lambda" and not given.get("FunctionArn"):
        raise BadDefinition(f"step {name}: FunctionArn must name a function")
    return name, kind, arguments


def _depends(name: str, given: dict[str, Any]) -> list[str]:
    found = given.get("DependsOn") or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise BadDefinition(f"step {name}: DependsOn must be a list of names of steps; triggers are not done here")
    return found


def _files(given: dict[str, Any]) -> dict[str, PropertyFile]:
    found = {}
    for one in _objects(given, "PropertyFiles"):
        name, output, path = (one.get(member) for member in ("PropertyFileName", "OutputName", "FilePath"))
        if not (isinstance(name, str) and isinstance(output, str) and isinstance(path, str)):
            raise BadDefinition("a property file has a PropertyFileName, an OutputName and a FilePath")
        found[name] = PropertyFile(output, path)
    return found


def _check_references(
    spec: StepSpec, parameters: dict[str, Parameter], steps: dict[str, StepSpec], within: bool = False
) -> None:
    """within: the step stands in a ForEachBody."""
    for needed in sorted(spec.needs):
        if needed not in steps:
            raise BadDefinition(f"step {spec.name} depends on {needed}, which is no step of the pipeline")
        if steps[needed].type == "Fail":
            raise BadDefinition(f"step {spec.name} depends on {needed}: nothing comes after a Fail step")
    if spec.type == "Cleanup":
        cleanup.check(
            spec.name, cleanup.sources(spec.name, spec.arguments), {one: steps[one].type for one in spec.needs}
        )
    said = spec.arguments["IterableItems"] if spec.type == "ForEach" else spec.arguments
    for name in references([said, spec.queue, spec.function, spec.check]):
        head, rest = split(name)
        if head == "ForEach" and not within:
            raise BadDefinition(f"step {spec.name} uses {name}, which stands in a ForEachBody alone")
        if head == "Parameters" and rest not in parameters:
            raise BadDefinition(f"step {spec.name} uses the parameter {rest}, which the pipeline does not have")
        if head == "Steps":
            step, path = split_step(name)
            if path[:1] == ["PropertyFiles"] and path[1:] and path[1] not in steps[step].files:
                raise BadDefinition(f"step {spec.name} reads {path[1]}, which is no property file of {step}")


def _check_cycles(steps: dict[str, StepSpec]) -> None:
    left = dict(steps)
    while left:
        free = [name for name, spec in left.items() if not spec.needs & left.keys()]
        if not free:
            raise BadDefinition(f"the steps {', '.join(sorted(left))} depend on each other in a circle")
        for name in free:
            del left[name]
