"""What CodePipeline's declarations may ask for here."""

from __future__ import annotations

from collections import Counter

from sagelab.cloud.engine.delivery.actions import ACTIONS
from sagelab.cloud.resources.call import Beside
from sagelab.cloud.store import Document

# Members of a stage or an action that would change what happens, and do nothing here.
_OF_STAGES = ("blockers", "onFailure", "onSuccess", "beforeEntry")
_OF_ACTIONS = ("commands", "environmentVariables", "region", "outputVariables")


def check(declaration: Document) -> None:
    """Beside: a pipeline asks for what its executions would not do."""
    if declaration.get("artifactStores") or "artifactStore" not in declaration:
        raise _structure("A pipeline has one artifactStore here.")
    if declaration.get("triggers"):
        raise _structure("Triggers of connections (GitHub and its like) are not something the local cloud can do.")
    if declaration.get("executionMode", "SUPERSEDED") != "SUPERSEDED":
        raise _structure("executionMode: SUPERSEDED alone is something the local cloud can do.")
    stages = declaration["stages"]
    if len(stages) < 2:
        raise _structure("Pipeline must have at least two stages")
    _check_names([stage["name"] for stage in stages], "stage")
    for number, stage in enumerate(stages):
        if refused := next((name for name in _OF_STAGES if stage.get(name)), None):
            raise _structure(f"{refused} is not something the local cloud can do.")
        _check_names([action["name"] for action in stage["actions"]], "action")
        for action in stage["actions"]:
            _check_action(action)
            if (action["actionTypeId"]["category"] == "Source") != (number == 0):
                raise _structure("The first stage has the source actions, and no other stage has any")
    _check_artifacts(stages)


def _check_action(action: Document) -> None:
    kind, configuration = action["actionTypeId"], action.get("configuration", {})
    known = ACTIONS.get((kind["category"], kind["provider"])) if kind["owner"] == "AWS" else None
    if known is None:
        names = ", ".join(f"{category} by {provider}" for category, provider in ACTIONS)
        raise _action(
            f"{kind['category']} by {kind['provider']} is not something the local cloud can do (it has no"
            f" connection to GitHub and its like either). It does {names}."
        )
    for name in known[1]:
        if not configuration.get(name):
            raise _action(
                f"Action configuration for action '{action['name']}' is missing required configuration '{name}'"
            )
    if refused := next((name for name in _OF_ACTIONS if action.get(name)), None):
        raise _action(f"{refused} of an action is not something the local cloud can do.")
    if configuration.get("ActionMode", "CREATE_UPDATE") != "CREATE_UPDATE":
        raise _action(f"ActionMode {configuration['ActionMode']}: CREATE_UPDATE alone is done here.")
    if configuration.get("OutputArtifactFormat", "CODE_ZIP") != "CODE_ZIP":
        raise _action("OutputArtifactFormat: CODE_ZIP alone is done here.")
    if kind["provider"] == "CodeBuild" and not action.get("inputArtifacts"):
        raise _action(f"Action '{action['name']}' needs an input artifact")


def _check_artifacts(stages: list[Document]) -> None:
    made: set[str] = set()
    for stage in stages:
        for action in sorted(stage["actions"], key=lambda each: each.get("runOrder", 1)):
            for each in action.get("inputArtifacts", []):
                if each["name"] not in made:
                    raise _structure(f"Input artifact {each['name']} of {action['name']} is nobody's output")
            made |= {each["name"] for each in action.get("outputArtifacts", [])}


def _check_names(names: list[str], what: str) -> None:
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise _structure(f"The {what} name {twice} is there more than once")


def polls(declaration: Document, repository: str, branch: str) -> bool:
    """Whether a pipeline looks for changes of a branch itself, as it does unless it is told not to."""
    for action in declaration["stages"][0]["actions"]:
        asked = action.get("configuration", {})
        place = (action["actionTypeId"]["provider"], asked.get("RepositoryName"), asked.get("BranchName"))
        if place == ("CodeCommit", repository, branch):
            return str(asked.get("PollForSourceChanges", "true")).lower() == "true"
    return False


def _structure(why: str) -> Beside:
    return Beside("InvalidStructureException", why)


def _action(why: str) -> Beside:
    return Beside("InvalidActionDeclarationException", why)
