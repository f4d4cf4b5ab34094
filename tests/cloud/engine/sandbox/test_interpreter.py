"""A fork of a warm Python, told apart from a fresh interpreter by what it has imported and by nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

import pytest

from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from tests.cloud.engine.sandbox.launching import launching

RUNTIME = Runtime("warm", ("six", "json.tool"), ("train", "python3"))
NUMBERS = count()

# Every way of the standard library and of joblib to have another process work, from a script and from a module.
WORKERS = """
import concurrent.futures, multiprocessing, os, subprocess, sys, threading

class Part:
    value = 3

def square(number):
    return number * number

def late():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print("late", pool.map(square, [5]))

if __name__ == "__main__":
    print("six" in sys.modules, os.path.isabs(__file__))
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            print(method, list(pool.map(square, range(3))))
        queue = context.Queue()
        process = context.Process(target=queue.put, args=(Part(),))
        process.start()
        print(queue.get().value)
        process.join()
    import joblib
    print("joblib", joblib.Parallel(n_jobs=2)(joblib.delayed(square)(number) for number in range(3)))
    print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True).stdout.strip())
    threading.Thread(target=late).start()
"""
WORKED = ["True True", *(line for way in ("fork", "spawn", "forkserver") for line in (f"{way} [0, 1, 4]", "3"))]
WORKED += ["joblib [0, 1, 4]", "child", "late [25]"]
LOOK = "import sys; print('warm' if 'json.tool' in sys.modules else 'fresh')"


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    yield from launching(tmp_path_factory, RUNTIME)


def run(launcher: Launcher, command: str, files: dict[str, str]) -> list[str]:
    """The lines that a shell command prints, which ends well."""
    job = f"interpreter-{next(NUMBERS)}"
    folder = launcher.make_folder(job, "algo-1")
    for name, text in files.items():
        (folder / "ml" / name).parent.mkdir(exist_ok=True)
        (folder / "ml" / name).write_text(text)
    host = HostSpec("algo-1", str(folder), ("/bin/bash", "-c", command), environment("us-east-1"))
    running = launcher.start(RUNTIME, [host], None)
    with os.fdopen(running.outputs["algo-1"]) as output:
        said = output.read()
    running.group.ended.wait()
    launcher.remove_folder(job)
    assert running.group.codes["algo-1"] == 0, said
    return said.splitlines()


@pytest.mark.parametrize("overlay", [True, False])
def test_other_processes_work_for_a_script_however_they_are_started(launcher: Launcher, overlay: bool) -> None:
    fork_server = launcher.warm(RUNTIME)
    able, fork_server.overlay = fork_server.overlay, fork_server.overlay and overlay
    said = run(launcher, "python3 work.py", {"work.py": WORKERS})
    fork_server.overlay = able
    assert said == WORKED


def test_other_processes_work_for_a_module(launcher: Launcher) -> None:
    files = {"part/__init__.py": "", "part/work.py": WORKERS}
    assert run(launcher, "python3 -m part.work", files) == WORKED


def test_script_gets_the_interpreter_that_its_variables_and_modules_need(launcher: Launcher) -> None:
    said = run(
        launcher,
        "python3 look.py; EPOCHS=3 SM_HP_LR=1 python3 -u look.py; OMP_NUM_THREADS=1 python3 look.py;"
        " TZ=Asia/Tokyo python3 zone.py; PYTHONPATH=own python3 look.py; python3 own/mine.py;"
        " PYTHONPATH=others python3 look.py",
        {
            "look.py": LOOK,
            "zone.py": "import time; print(time.tzname[0])",
            "own/six.py": "VALUE = 'own'",
            "own/mine.py": "import six; print(six.VALUE)",
            "others/other.py": "",
        },
    )
    assert said == ["warm", "warm", "fresh", "JST", "fresh", "own", "warm"]


def test_options_files_and_failures_are_as_a_fresh_interpreter_has_them(launcher: Launcher) -> None:
    said = run(
        launcher,
        "python3 fail.py 2>&1; echo $?; python3 -m none.such 2>&1; echo 7 > seven;"
        ' python3 -c \'import subprocess, sys; f = open("seven");'
        ' subprocess.run([sys.executable, "read.py", str(f.fileno())], pass_fds=[f.fileno()])\';'
        " python3 read.py 3 3< seven; python3 closes.py; echo $?",
        {
            "closes.py": "import sys; sys.stdout.close()",
            "fail.py": "def f():\n    1 / 0\nf()\n",
            "read.py": "import os, sys; print(os.read(int(sys.argv[1]), 9))",
        },
    )
    assert said[:2] == ["Traceback (most recent call last):", '  File "/opt/ml/fail.py", line 3, in <module>']
    assert said[-6:-4] == ["ZeroDivisionError: division by zero", "1"]
    assert said[-4] == "/opt/sagelab/bin/python3: Error while finding module specification for 'none.such'" + (
        " (ModuleNotFoundError: No module named 'none')"
    )
    assert said[-3:] == [r"b'7\n'", r"b'7\n'", "0"]
