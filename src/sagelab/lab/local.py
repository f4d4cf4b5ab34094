"""What only the local cloud can be told, by its own command: on AWS there is no such thing to tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def command(*words: str) -> str:
    """What `sagelab WORDS` says. RuntimeError: it failed, with its own words."""
    program = str(Path(sys.executable).with_name("sagelab"))
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"sagelab {' '.join(words)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()
