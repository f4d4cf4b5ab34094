"""The filter of system calls, line by line as the kernel would read it, and in the kernel itself."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap

import pytest

from sagelab.cloud.engine.sandbox import seccomp

ARM = seccomp.ARCHITECTURES["aarch64"]


def judge(machine: str, call: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter for a machine answers to a system call."""
    kind = seccomp.ARCHITECTURES[machine] if architecture is None else architecture
    padded = (*arguments, *[0] * (6 - len(arguments)))
    words = {0: call, 4: kind}
    for place, argument in enumerate(padded):
        words[16 + 8 * place] = argument & 0xFFFFFFFF
        words[20 + 8 * place] = argument >> 32
    lines, at, value = seccomp.program(machine), 0, 0
    while True:
        code, true, false, operand = lines[at]
        if code == seccomp.RETURN:
            return operand
        if code == seccomp.LOAD:
            value, skip = words[operand], 0
        else:
            fits = {
                seccomp.EQUAL: value == operand,
                seccomp.AT_LEAST: value >= operand,
                seccomp.SET: bool(value & operand),
            }
            skip = true if fits[code] else false
        at += 1 + skip


REFUSED, ABSENT = seccomp.ERROR | errno.EPERM, seccomp.ERROR | errno.ENOSYS
NO_FAMILY = seccomp.ERROR | errno.EAFNOSUPPORT


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 0), ("aarch64", 1)])
def test_each_machine_refuses_the_same(machine: str, number: int) -> None:
    groups = (seccomp.PROCESSES, seccomp.KEYS, seccomp.FILES, seccomp.SYSTEM)
    for name, pair in [entry for group in groups for entry in group.items()]:
        assert judge(machine, pair[number]) == REFUSED, name
    for name, pair in seccomp.ABSENT.items():
        assert judge(machine, pair[number]) == ABSENT, name
    for pair, arguments, answer in [
        (seccomp.CLONE, (0x10000011,), REFUSED),
        (seccomp.CLONE, (0x1200011,), seccomp.ALLOW),  # fork
        (seccomp.SOCKET, (40,), NO_FAMILY),
        (seccomp.SOCKET, (16,), seccomp.ALLOW),
        (seccomp.SOCKET, (2,), seccomp.ALLOW),
        (seccomp.PRCTL, (4, 0), REFUSED),
        (seccomp.PRCTL, (4, 1), seccomp.ALLOW),
        (seccomp.PRCTL, (1, 9), seccomp.ALLOW),
        (seccomp.IOCTL, (0, 0x5412), REFUSED),
        (seccomp.IOCTL, (0, 0x541C), REFUSED),
        (seccomp.IOCTL, (0, 0x5413), seccomp.ALLOW),
        (seccomp.PRLIMIT, (1, 7, 0x7000_0000_0000), REFUSED),
        (seccomp.PRLIMIT, (1, 7, 0x10), REFUSED),
        (seccomp.PRLIMIT, (1, 7, 0), seccomp.ALLOW),
        (seccomp.PRLIMIT, (0, 7, 0x10), seccomp.ALLOW),
    ]:
        assert judge(machine, pair[number], *arguments) == answer, (pair, arguments)


def test_calls_of_another_architecture_end_the_program() -> None:
    assert judge("x86_64", 0, architecture=0x40000003) == seccomp.KILL  # i386
    assert judge("x86_64", 0, architecture=ARM) == seccomp.KILL
    assert judge("x86_64", seccomp.X32 | 101) == seccomp.KILL
    assert judge("x86_64", 0) == seccomp.ALLOW


INSTALLED = """
    import ctypes, os, errno
    from sagelab.cloud.engine.sandbox import seccomp

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    seccomp.install()
    numbers = {**seccomp.PROCESSES, **seccomp.KEYS, **seccomp.SYSTEM, **seccomp.ABSENT}
    for name, pair in numbers.items():
        number = pair[("x86_64", "aarch64").index(seccomp.MACHINE)]
        result = libc.syscall(number, *[ctypes.c_long(0)] * 6)
        print(name, errno.errorcode[ctypes.get_errno()] if result < 0 else "done")
"""


def test_the_kernel_takes_the_filter_and_answers_so() -> None:
    if seccomp.MACHINE not in seccomp.ARCHITECTURES:
        pytest.skip("no filter is known for this machine")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INSTALLED)],
        capture_output=True, text=True, timeout=60, env=os.environ,
    )  # fmt: skip
    said = dict(line.split() for line in done.stdout.splitlines())
    assert done.stderr == ""
    expected = dict.fromkeys([*seccomp.PROCESSES, *seccomp.KEYS, *seccomp.SYSTEM], "EPERM")
    assert said == expected | dict.fromkeys(seccomp.ABSENT, "ENOSYS")
