"""The system calls that no program of a host is allowed: a seccomp filter, as programs for the kernel are written.

What a host may not reach by namespaces and capabilities it could still try by way of the kernel's own faults, or
by looking into the memory of the platform's processes. So calls of which no training or notebook has need are
refused: those that look into or steer other processes, that make or enter namespaces, that mount, that keep keys,
and those with a long record of faults. A program hears EPERM as from any kernel without the privilege, or ENOSYS
where it then takes another way. The list follows the default profile of Docker:
https://docs.docker.com/engine/security/seccomp/

Standard library alone: it is installed in the child of a warm Python, which must not import.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

_libc = ctypes.CDLL(None, use_errno=True)

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
SET_MODE_FILTER, ALLOW_SPECULATION = 1, 4  # without the second, every program would be slower, for no one's good
LOAD, EQUAL, AT_LEAST, SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of BPF
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
X32 = 0x40000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINE = platform.machine()

# Name: its number on x86_64, on aarch64.
PROCESSES = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "kcmp": (312, 272), "process_madvise": (440, 440),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "perf_event_open": (298, 241),
}  # fmt: skip
KEYS = {"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)}
FILES = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "fanotify_init": (300, 262), "acct": (163, 89),
}  # fmt: skip
SYSTEM = {
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "userfaultfd": (323, 282), "syslog": (103, 116),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225),
}  # fmt: skip
X86_ALONE = {"iopl": 172, "ioperm": 173, "modify_ldt": 154}
# Those for which there is another way, which programs take at ENOSYS.
ABSENT = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "clone3": (435, 435), "memfd_secret": (447, 447),
}  # fmt: skip

# What is refused by its arguments.
CLONE, SOCKET, PRCTL, IOCTL = (56, 220), (41, 198), (157, 167), (16, 29)
PRLIMIT = (302, 261)
NAMESPACES = 0x7E020000  # each CLONE_NEW... that clone knows
FAMILIES = (0, 1, 2, 10, 16)  # none, Unix, IPv4, IPv6, netlink: not the machine's under this one (vsock)
SET_DUMPABLE = 4
TERMINALS = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX: to type into somebody's terminal

Line = tuple[int, int, int, int]  # code, lines to skip where true, where false, operand


def program(machine: str = MACHINE) -> list[Line]:
    """The filter for a machine, line by line. KeyError: none is known for it."""
    number = ("x86_64", "aarch64").index(machine)
    lines = [
        (LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, ARCHITECTURES[machine]), (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]  # fmt: skip
    if machine == "x86_64":
        lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    refused = {pair[number] for pair in (PROCESSES | KEYS | FILES | SYSTEM).values()}
    refused |= set(X86_ALONE.values()) if machine == "x86_64" else set()
    for call in sorted(refused):
        lines += _on(call, [_fail(errno.EPERM)])
    for pair in ABSENT.values():
        lines += _on(pair[number], [_fail(errno.ENOSYS)])
    for pair, checks in _by_arguments():
        lines += _on(pair[number], [*checks, (RETURN, 0, 0, ALLOW)])
    return [*lines, (RETURN, 0, 0, ALLOW)]


def _by_arguments() -> Iterator[tuple[tuple[int, int], list[Line]]]:
    """Calls of which some arguments are refused, with the lines that find those."""
    refuse = _fail(errno.EPERM)
    yield CLONE, [_argument(0), (SET, 0, 1, NAMESPACES), refuse]
    known = [(EQUAL, len(FAMILIES) - place, 0, family) for place, family in enumerate(FAMILIES)]
    yield SOCKET, [_argument(0), *known, _fail(errno.EAFNOSUPPORT)]
    # To be dumpable is to be seen by process 1, which counts what the host takes.
    yield PRCTL, [_argument(0), (EQUAL, 0, 3, SET_DUMPABLE), _argument(1), (EQUAL, 1, 0, 1), refuse]
    yield IOCTL, [_argument(1), (EQUAL, 1, 0, TERMINALS[0]), (EQUAL, 0, 1, TERMINALS[1]), refuse]
    # New limits for another process: process 1's limits are what lets it count.
    new = [_argument(2), (EQUAL, 0, 2, 0), _argument(2, high=True), (EQUAL, 1, 0, 0), refuse]
    yield PRLIMIT, [_argument(0), (EQUAL, len(new), 0, 0), *new]


def _on(call: int, then: list[Line]) -> list[Line]:
    return [(EQUAL, 0, len(then), call), *then]


def _argument(number: int, high: bool = False) -> Line:
    """Load half of an argument; both machines are little-endian."""
    return LOAD, 0, 0, ARGUMENTS + 8 * number + 4 * high


def _fail(number: int) -> Line:
    return RETURN, 0, 0, ERROR | number


PROGRAM = b"".join(struct.pack("HBBI", *line) for line in program()) if MACHINE in ARCHITECTURES else b""
SECCOMP = {"x86_64": 317, "aarch64": 277}


def install() -> None:
    """Hold this process, and all that it starts, to the filter, for ever. OSError: the kernel has none.

    No new privileges must be set before.
    """
    if not PROGRAM:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), f"system call filter for {MACHINE}")
    lines = ctypes.create_string_buffer(PROGRAM, len(PROGRAM))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(PROGRAM) // 8, ctypes.addressof(lines)))
    if _libc.syscall(SECCOMP[MACHINE], SET_MODE_FILTER, ALLOW_SPECULATION, header) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "system call filter")
