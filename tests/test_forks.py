"""Programs in forks of a warm Python are what they are as processes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests import forks
from tests.waiting import until


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> forks.Warm:
    return forks.Warm("small", sys.executable, ("decimal",), tmp_path_factory.mktemp("warm"), os.getpid())


def test_program_has_its_arguments_folder_and_variables_alone(warm: forks.Warm, tmp_path: Path) -> None:
    code = "import os, sys; print(sys.argv, os.getcwd(), dict(os.environ)); print('oh', file=sys.stderr); exit(3)"
    ran = warm.run("-c", code, "a", folder=tmp_path, variables={"MODE": "plain"})
    assert ran.stdout == f"['-c', 'a'] {tmp_path} {{'MODE': 'plain'}}\n"
    assert (ran.stderr, ran.returncode) == ("oh\n", 3)


def test_what_is_imported_is_there_before_it_is_asked_for(warm: forks.Warm) -> None:
    assert warm.run("-c", "import sys; print('decimal' in sys.modules)").stdout == "True\n"


def test_what_an_import_says_in_the_environment_is_said_to_programs(tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text("import os; os.environ |= {'SAID': 'yes', 'ASKED': 'no'}")
    python = forks.Warm("says", sys.executable, (str(tmp_path / "says.py"),), tmp_path, os.getpid())
    code = "import os; print(os.environ['SAID'], os.environ['ASKED'])"
    assert python.run("-c", code, variables={"ASKED": "so"}).stdout == "yes so\n"


def test_script_and_module_are_run_as_such(warm: forks.Warm, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("if __name__ == '__main__': print('as a module')")
    (tmp_path / "script.py").write_text("import beside, sys; print(__name__, sys.argv[1:])")
    assert warm.run(str(tmp_path / "script.py"), "b").stdout == "__main__ ['b']\n"
    assert warm.run("-m", "beside", folder=tmp_path).stdout == "as a module\n"


def test_program_that_raises_says_so(warm: forks.Warm) -> None:
    ran = warm.run("-c", "raise ValueError('no')")
    assert ran.returncode == 1
    assert ran.stderr.endswith("ValueError: no\n")


def sleep(warm: forks.Warm) -> forks.Fork:
    process = warm.open("-c", "import time; print('begun', flush=True); time.sleep(600)")
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    assert process.poll() is None
    return process


def test_signal_ends_it_with_that_code(warm: forks.Warm) -> None:
    process = sleep(warm)
    process.send_signal(signal.SIGTERM)
    assert process.communicate() == ("", "")
    assert process.poll() == process.returncode == -signal.SIGTERM


def test_it_ends_when_nobody_wants_to_know(warm: forks.Warm) -> None:
    process = sleep(warm)
    process.close()
    until(lambda: is_there(process.pid), lambda found: not found)


def is_there(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
