"""One shell for all commands of a build, so that what one sets the next has."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

_LOOP = 'while IFS= read -r file <&8; do . "$file"; echo "$?" >&9; done'


class Shell:
    """A bash that runs what it is told. env: its environment. folder: where it begins."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._env, self._folder = env, folder
        self._scripts = Path(tempfile.mkdtemp(prefix="commands-"))
        self._count = 0
        self._start()

    def _start(self) -> None:
        reads, self._tell = os.pipe()
        self._hear, writes = os.pipe()
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec 8<&{reads} 9>&{writes} {reads}<&- {writes}>&-; {_LOOP}"],
            stdin=subprocess.DEVNULL,
            env=self._env,
            cwd=self._folder,
            pass_fds=(reads, writes),
        )
        os.close(reads)
        os.close(writes)

    def run(self, command: str) -> int:
        """The exit code of a command. Where it ends the shell, the next command has a new one."""
        self._count += 1
        script = self._scripts / f"{self._count}.sh"
        script.write_text(command + "\n")
        os.write(self._tell, f"{script}\n".encode())
        said = b""
        while not said.endswith(b"\n"):
            if not (more := os.read(self._hear, 64)):
                return self._again()
            said += more
        last = said.decode("ascii", "replace").split()[-1:]
        return int(last[0]) if last and last[0].isdigit() else 1

    def _again(self) -> int:
        code = self._process.wait()
        self.close()
        self._start()
        return code

    def set(self, name: str, value: str) -> None:
        """Let every command from now on have a variable."""
        self._env[name] = value
        self.run(f"export {name}='{value}'")

    def value(self, name: str) -> str:
        """What a variable is now, "" where it is none."""
        file = self._scripts / "value"
        self.run(f'printf %s "${{{name}-}}" > {file}')
        return file.read_text(errors="replace")

    def close(self) -> None:
        for end in (self._tell, self._hear):
            with suppress(OSError):
                os.close(end)
        self._process.wait()
