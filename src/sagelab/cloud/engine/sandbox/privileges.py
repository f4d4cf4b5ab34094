"""What a process of the platform gives up, or hides, before code of a stranger runs beside it or in it.

Process 1 of a host watches over the host, so it is out of the reach of the host's programs: they cannot look into
its memory, take its files or change its limits. It keeps two capabilities to count what they could hide: to read
any folder of the host, and facts of any process of it. Its children have none.

Standard library alone: it runs in the child of a warm Python, which must not import.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct

from sagelab.cloud.engine.sandbox import seccomp

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
JOIN_SESSION_KEYRING = 1
KEYCTL = {"x86_64": 250, "aarch64": 219}
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 2, 19
FILES, THREADS = 65_536, 16_384  # a process may have open; the user of a host may have at once

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Be killed when the parent ends. Call after the last change of credentials, which clears it."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Be the parent of what one's descendants leave behind, as process 1 is."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hide(hidden: bool = True) -> None:
    """Let no other process of this user look into this one, or take its files; or let them again."""
    _libc.prctl(PR_SET_DUMPABLE, int(not hidden), 0, 0, 0)


def leave_keyring() -> None:
    """Have a new, empty session keyring, in place of that of whoever started the local cloud."""
    # Its answer does not matter: a kernel without keys has none to leave.
    _libc.syscall(KEYCTL[platform.machine()], JOIN_SESSION_KEYRING, None)


def close_others(*kept: int) -> None:
    """Close every file but the standard streams and these."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # that of the folder itself
                os.close(int(name))


def limit(memory: int | None) -> None:
    """The kernel's own limits. memory: bytes of private memory that a process may ask for."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, most in ((resource.RLIMIT_NOFILE, FILES), (resource.RLIMIT_NPROC, THREADS)):
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def drop() -> None:
    """No capability can come back: not by exec as this namespace's root, not by a set-user-id program.

    Of those that process 1 has, two stay its own.
    """
    for capability in range(64):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _set_capabilities(1 << CAP_DAC_READ_SEARCH | 1 << CAP_SYS_PTRACE)
    seccomp.install()


def forget() -> None:
    """As a child of process 1: have no capability."""
    _set_capabilities(0)


def _set_capabilities(mask: int) -> None:
    header = struct.pack("Ii", 0x20080522, 0)
    if _libc.capset(header, struct.pack("6I", mask, mask, 0, 0, 0, 0)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "capset")
