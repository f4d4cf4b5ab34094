"""python3 -m sagelab.builder FOLDER: one build, from its source to its artifact.

FOLDER/request.json: source {type, location, version}, buildspec (its text, its path in the source, or null),
variables [{name, value, type}], artifacts or null. FOLDER/phases.jsonl gets a line as each phase begins and one as
it ends; FOLDER/result.json what is to be told at the end. Exit code 1: the build failed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from sagelab.builder import sources
from sagelab.builder.buildspec import ABORT, CONTINUE, BadBuildspec, Buildspec, Phase, read
from sagelab.builder.shell import Shell
from sagelab.builder.sources import ClientError

LONGEST = 500  # characters of a command in a message
OF_PROGRAM = re.compile(r"version:\s*['\"]?0\.")


class Failed(Exception):
    """A phase has failed. code, message: of its context."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Build:
    """One build in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, json.loads((folder / "request.json").read_text())
        self.source = folder / "src"
        self.result: dict[str, Any] = {}
        self.failed = False
        self._shell: Shell | None = None
        self._spec = Buildspec({})

    def run(self) -> int:
        """The exit code of the build."""
        if self.step("DOWNLOAD_SOURCE", self._begin):
            self._run_phases()
        if self._shell:
            self.result["exported"] = {name: self._shell.value(name) for name in self._spec.exported}
        self.step("FINALIZING", lambda: None)
        (self.folder / "result.json").write_text(json.dumps(self.result))
        return int(self.failed)

    def step(self, phase: str, work: Any) -> bool:
        """Do a phase's work; whether it went well."""
        self._note(phase, "IN_PROGRESS")
        code = message = ""
        say(f"Entering phase {phase}")
        try:
            work()
        except Failed as error:
            code, message = error.code, error.message
        state = "FAILED" if code else "SUCCEEDED"
        self.failed |= bool(code)
        say(f"Phase complete: {phase} State: {state}")
        say(f"Phase context status code: {code} Message: {message}")
        self._note(phase, state, code, message)
        return not code

    def _note(self, phase: str, state: str, code: str = "", message: str = "") -> None:
        line = {"phase": phase, "status": state, "time": time.time(), "code": code, "message": message}
        with (self.folder / "phases.jsonl").open("a") as out:
            out.write(json.dumps(line) + "\n")

    # Its source, its buildspec, its variables

    def _begin(self) -> None:
        try:
            self.result["version"] = sources.fetch(self.asked["source"], self.source)
        except ClientError as error:
            raise Failed("CLIENT_ERROR", str(error)) from None
        say(f"CODEBUILD_SRC_DIR={self.source}")
        try:
            self._spec = read(self._text())
        except BadBuildspec as error:
            raise Failed("YAML_FILE_ERROR", str(error)) from None
        for name in self._spec.left_out:
            print(f"[sagelab] {name} of the buildspec is left out here", flush=True)
        if self._spec.python:
            here = ".".join(map(str, sys.version_info[:3]))
            print(f"[sagelab] python {self._spec.python} is, here, {here}", flush=True)
        self._shell = Shell(self._environment(), self.source)

    def _text(self) -> str:
        given = self.asked["buildspec"] or "buildspec.yml"
        if "\n" in given or OF_PROGRAM.match(given.strip()):
            say("YAML location is inline")
            return str(given)
        file = self.source / given
        say(f"YAML location is {file}")
        try:
            return file.read_text()
        except (OSError, UnicodeDecodeError):
            raise Failed("YAML_FILE_ERROR", f"stat {file}: no such file or directory") from None

    def _environment(self) -> dict[str, str]:
        """The project's variables win over the buildspec's, and both over the host's."""
        env = dict(os.environ) | {"CODEBUILD_SRC_DIR": str(self.source), "CODEBUILD_BUILD_SUCCEEDING": "1"}
        env["CODEBUILD_RESOLVED_SOURCE_VERSION"] = self.result.get("version") or ""
        env |= self._spec.variables
        env |= {name: _parameter(value) for name, value in self._spec.parameters.items()}
        env |= {name: _secret(value) for name, value in self._spec.secrets.items()}
        read_as = {"PARAMETER_STORE": _parameter, "SECRETS_MANAGER": _secret}
        for each in self.asked["variables"]:
            reader = read_as.get(each.get("type", "PLAINTEXT"), str)
            env[each["name"]] = reader(each["value"])
        return env

    # Its phases

    def _run_phases(self) -> None:
        assert self._shell is not None
        for name in ("install", "pre_build", "build", "post_build"):
            phase = self._spec.phases.get(name, Phase())
            if not self.step(name.upper(), lambda phase=phase: self._commands(phase)):
                self._shell.set("CODEBUILD_BUILD_SUCCEEDING", "0")
                if name in ("install", "pre_build") and phase.on_failure != CONTINUE:
                    return
                if phase.on_failure == ABORT:
                    break
        self.step("UPLOAD_ARTIFACTS", self._upload)

    def _commands(self, phase: Phase) -> None:
        trouble: Failed | None = None
        for commands in (phase.commands, phase.last):
            try:
                for command in commands:
                    self._command(command)
            except Failed as error:
                trouble = trouble or error
        if trouble:
            raise trouble

    def _command(self, command: str) -> None:
        assert self._shell is not None
        say(f"Running command {command.strip()}")
        code = self._shell.run(command)
        if code:
            short = command.strip()[:LONGEST]
            say(f"Command did not exit successfully {short} exit status {code}")
            reason = f"Error while executing command: {short}. Reason: exit status {code}"
            raise Failed("COMMAND_EXECUTION_ERROR", reason)

    def _upload(self) -> None:
        artifacts, asked = self._spec.artifacts, self.asked["artifacts"]
        if asked is None or not artifacts.files:
            return
        if asked.pop("named", False) and artifacts.name:
            asked["name"] = artifacts.name
        try:
            self.result["location"] = sources.upload(asked, artifacts, self.source)
        except ClientError as error:
            raise Failed("CLIENT_ERROR", str(error)) from None


def _parameter(name: str) -> str:
    ssm = sources.client("ssm")
    try:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ssm.exceptions.ClientError as error:
        raise Failed("Decrypted Variables Error", f"{name}: {error}") from None


def _secret(name: str) -> str:
    """name: SECRET:JSON-KEY:STAGE:VERSION, of which all but the first may be left out; or an ARN in its place."""
    head, _, rest = name.rpartition(":secret:") if name.startswith("arn:") else ("", "", name)
    parts = [*rest.split(":"), "", "", ""]
    named = {"VersionStage": parts[2], "VersionId": parts[3]}
    secret = f"{head}:secret:{parts[0]}" if head else parts[0]
    store = sources.client("secretsmanager")
    try:
        kept = {key: value for key, value in named.items() if value}
        text = str(store.get_secret_value(SecretId=secret, **kept)["SecretString"])
        return str(json.loads(text)[parts[1]]) if parts[1] else text
    except (store.exceptions.ClientError, ValueError, LookupError, TypeError) as error:
        raise Failed("Secrets Manager Error Message", f"{secret}: {error}") from None


def say(line: str) -> None:
    """A line of the builder's own, as AWS's logs have it."""
    now = time.time()
    print(f"[Container] {time.strftime('%Y/%m/%d %H:%M:%S', time.gmtime(now))} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(Build(Path(sys.argv[1])).run())
