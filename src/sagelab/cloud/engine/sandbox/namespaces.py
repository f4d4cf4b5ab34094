"""A host of a job, from the inside: Linux namespaces with a file system of its own.

Runs in a child process that `fork_server` forked, before anything of the user's does. The host sees:

    /opt/ml                 its own workspace, read and write
    /opt/sagelab            the commands `python3`, `train`, ... of its runtime
    /tmp, /root, /dev/shm   its own, empty at the start
    /usr /lib /bin /etc     this machine's, read only; of /etc the few files that programs need
    this Python             its interpreter, read only; its packages, under a layer of the host's own (layer.py)
    /proc                   its own processes and no others

Nothing else of this machine is there: not its home folders, not the local cloud's store. The kernel ends all
processes of the host together with its first one.

Standard library alone, and all of it imported before the fork: the child of a warm Python must not import.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.sandbox import links, privileges

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
MNT_DETACH = 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

ETC = (
    "alternatives ca-certificates fonts group ld.so.cache ld.so.conf ld.so.conf.d localtime magic"
    " mime.types nsswitch.conf passwd protocols resolv.conf services ssl timezone"
).split()
COMMANDS, LAYER = "/opt/sagelab/bin", "/opt/sagelab/layer"
PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"  # of an environment
LAYER_FILE = f"{PACKAGES}/user.pth"  # what every layer has from its beginning
PROGRAM = "/opt/program"  # where AWS's own example of a custom container has its program, too
# What a root of this machine, which is root of the host too, could set the whole kernel by.
KERNEL = "acpi bus fs irq mtrr scsi sys sysrq-trigger".split()
# What tells of the keys and the workings of the machine, and of no process of the host.
MASKED = "kcore keys key-users latency_stats sched_debug timer_list".split()
BACKLOG = 1024
DEVICES = "null zero full random urandom tty".split()

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Share:
    """A folder that other hosts have, too. target: where the host sees it. below: of `root`, on this machine."""

    target: str
    root: str
    below: str
    writable: bool


@dataclass(frozen=True)
class HostSpec:
    """One host of a job.

    name: "algo-1". folder: on this machine; it has ml/, tmp/, home/, run/ and root/ (an empty mount point).
    argv: what runs first. env: all of its environment. peers: host name -> address, its own among them.
    memory: bytes of private memory a process may ask for, and all may have (None: any). forks: which of its
    commands `train` and `python3` are forks of the warm Python that it grew from (init.py). cores: numbers of the
    processors that it may run on (empty: all). mounts: more folders of its own, path in the host -> folder on this
    machine; read_only: the same of folders and files that it cannot change. terminals: whether it may open any.
    program: the folder of an image of the learner's own, on this machine; the host has it at /opt/program, first
    on the PATH. processes, disk: how many processes and bytes of disk it may have (limits.py). python: its
    interpreter; one below LAYER is that of a virtual environment which the layer is (layer.py). packages: a folder
    of more packages of its image. cgroup: its control group's folder (cgroups.py).
    shares: folders that it has in common with other hosts.
    each: bytes of private memory that one process may ask for, where that is another number than `memory`.
    bandwidth: bits a second that it may send to its peers, and get from them (None: any).
    """

    name: str
    folder: str
    argv: tuple[str, ...]
    env: dict[str, str]
    peers: dict[str, str] = field(default_factory=dict)
    memory: int | None = None
    forks: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()
    mounts: dict[str, str] = field(default_factory=dict)
    read_only: dict[str, str] = field(default_factory=dict)
    terminals: bool = False
    program: str | None = None
    processes: int = 1024
    disk: int | None = None
    python: str = sys.executable
    packages: str | None = None
    cgroup: str = ""
    each: int | None = None
    bandwidth: int | None = None
    shares: tuple[Share, ...] = ()

    @property
    def overlay(self) -> bool:
        """Whether its layer lies over the packages of its image."""
        return not self.python.startswith(f"{LAYER}/")


def isolate_users() -> None:
    """Enter a user namespace of one's own, and a network with nothing but its loopback."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | links.CLONE_NEWNET)
    privileges.hide(False)  # else the files that name its users are not its own
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    raise_loopback()


def isolate_host() -> None:
    """Enter namespaces of one's own for mounts, processes, IPC and the host name; the next fork is process 1."""
    unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)


def isolate_run() -> None:
    """Enter mounts of one's own, with an empty /run."""
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", Path("/var/run").resolve(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=700")


def enter(host: HostSpec) -> None:
    """As process 1 of a new host: build its file system, make it the root, give up privileges (privileges.py)."""
    _libc.sethostname(host.name.encode(), len(host.name))
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = Path(host.folder) / "root"
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=755")
    _bind_system(root)
    _bind_own(root, host)
    if host.terminals:
        _mount_terminals(root / "dev")
    for python in python_folders():  # after its own /root and /tmp, which may have a Python below them
        _bind(Path(python), root / python.lstrip("/"))
    if host.packages:
        _bind(Path(host.packages), root / host.packages.lstrip("/"))
    _mount_layer(root, Path(host.folder, "layer"), host.overlay)
    if host.program:
        _bind(Path(host.program), root / PROGRAM.lstrip("/"))
    _write_hosts(root, host.peers)
    _pivot(root)
    privileges.limit(host.each or host.memory)
    privileges.drop()


def _bind_system(root: Path) -> None:
    for entry in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        source = Path("/", entry)
        if source.is_symlink():
            (root / entry).symlink_to(source.readlink())
        elif source.is_dir():
            _bind(source, root / entry)
    for entry in ETC:
        if Path("/etc", entry).exists():
            _bind(Path("/etc", entry).resolve(), root / "etc" / entry)
    _mount_system(root / "sys")
    _make_devices(root / "dev")


def _mount_system(target: Path) -> None:
    """/sys with the devices of this network alone; where a machine allows no new one, its own."""
    groups = Path("/sys/fs/cgroup")
    target.mkdir()
    try:
        mount("sysfs", target, "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV)
    except OSError:
        _bind(Path("/sys"), target)
        return
    if groups.is_dir():  # what a runtime reads its limits from
        _restrict(groups, target / "fs/cgroup", MOUNT_ATTR_RDONLY)


def _mount_layer(root: Path, layer: Path, overlay: bool) -> None:
    """The packages of this Python as the host may change them, and at LAYER what it has changed."""
    seen = root / LAYER.lstrip("/")
    if overlay:
        mount_overlay(Path(sys.prefix), layer, root / sys.prefix.lstrip("/"))
        _bind(layer / "upper", seen)
    else:
        _bind(layer / "upper", seen, restrict=MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)


def mount_overlay(lower: Path, layer: Path, target: Path) -> None:
    """Mount a folder so that what is written to it goes to layer/upper. Paths of any characters are right."""
    places = {"lowerdir": lower, "upperdir": layer / "upper", "workdir": layer / "work"}
    opened = {name: os.open(place, os.O_PATH | os.O_DIRECTORY) for name, place in places.items()}
    options = ",".join(f"{name}=/proc/self/fd/{number}" for name, number in opened.items())
    try:
        mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, f"{options},userxattr")
    finally:
        for number in opened.values():
            os.close(number)


def python_folders() -> list[str]:
    """The folders that this interpreter and its packages live in, outermost first, without those in /usr."""
    package = Path(__file__).parents[3]  # sagelab itself; an environment of an image has a link to it
    wanted = {str(Path(__file__).parents[4]), str(package.resolve())}
    wanted |= {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    wanted = {folder for folder in wanted if not Path(folder).is_relative_to("/usr")}
    return sorted(folder for folder in wanted if not any(_inside(folder, other) for other in wanted))


def _inside(folder: str, other: str) -> bool:
    return folder != other and Path(folder).is_relative_to(other)


def _bind_own(root: Path, host: HostSpec) -> None:
    folder = Path(host.folder)
    own = {
        "/opt/ml": folder / "ml",
        "/tmp": folder / "tmp",
        "/root": folder / "home",
        "/run/sagelab": folder / "run",
    }
    more = {target: Path(host.mounts[target]) for target in sorted(host.mounts)}  # a folder before what lies in it
    for target, source in (own | more).items():
        _bind(source, root / target.lstrip("/"), restrict=MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    for share in host.shares:
        _bind_share(root, share)
    _bind(folder / "bin", root / COMMANDS.lstrip("/"))
    (root / "var").mkdir()
    (root / "var/tmp").symlink_to("/tmp")
    for target in sorted(host.read_only):
        _bind(Path(host.read_only[target]), root / target.lstrip("/"))


def _bind_share(root: Path, share: Share) -> None:
    """What is mounted is what was opened: no link leads there, whatever other hosts change meanwhile."""
    restrict = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (0 if share.writable else MOUNT_ATTR_RDONLY)
    with trees.Tree(Path(share.root), share.below).folder() as folder:
        _bind(Path(f"/proc/self/fd/{folder}"), root / share.target.lstrip("/"), restrict)


def _make_devices(dev: Path) -> None:
    dev.mkdir()
    for name in DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", dev / name, None, MS_BIND)
    (dev / "shm").mkdir()
    mount("tmpfs", dev / "shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,nr_inodes=131072")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (dev / name).symlink_to(f"/proc/self/{target}")


def _mount_terminals(dev: Path) -> None:
    (dev / "pts").mkdir()
    mount("devpts", dev / "pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")


def _write_hosts(root: Path, peers: dict[str, str]) -> None:
    (root / "run").mkdir(exist_ok=True)
    hosts = root / "run/hosts"
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{ip} {name}" for name, ip in peers.items())]
    hosts.write_text("\n".join(lines) + "\n")
    _bind(hosts, root / "etc/hosts")


def _pivot(root: Path) -> None:
    (root / "proc").mkdir()
    (root / "old").mkdir()
    mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV)
    for entry in KERNEL:
        if (root / "proc" / entry).exists():
            _restrict(root / "proc" / entry, root / "proc" / entry, MOUNT_ATTR_RDONLY)
    for entry in MASKED:
        if (root / "proc" / entry).exists():
            mount("/dev/null", root / "proc" / entry, None, MS_BIND)
    os.chdir(root)
    number = PIVOT_ROOT[platform.machine()]
    _check(_libc.syscall(number, b".", b"old"), "pivot_root")
    os.chdir("/")
    _check(_libc.umount2(b"/old", MNT_DETACH), "umount /old")
    Path("/old").rmdir()
    mount(None, "/", None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, "size=64m,mode=755")


def _bind(source: Path, target: Path, restrict: int = MOUNT_ATTR_RDONLY) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _restrict(source, target, restrict)


def _restrict(source: Path, target: Path, restrict: int) -> None:
    mount(source, target, None, MS_BIND | MS_REC)
    attributes = struct.pack("4Q", restrict, 0, 0, 0)
    result = _libc.syscall(
        MOUNT_SETATTR, AT_FDCWD, str(target).encode(), AT_RECURSIVE, attributes, len(attributes)
    )
    _check(result, f"mount_setattr of {target}")


def listen(ports: list[int]) -> list[socket.socket]:
    """Sockets that listen on the loopback of the network that one is in."""
    return [socket.create_server(("127.0.0.1", port), backlog=BACKLOG) for port in ports]


def raise_loopback() -> None:
    """Let the network that one is in have its own loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def unshare(flags: int) -> None:
    """Enter namespaces of one's own. OSError: the kernel refuses."""
    _check(_libc.unshare(flags), "namespaces")


def mount(
    source: Path | str | None, target: Path | str, kind: str | None, flags: int, options: str | None = None
) -> None:
    """As mount(2) has it. OSError: the kernel refuses."""
    encoded = [None if part is None else str(part).encode() for part in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_libc.mount(*encoded, ctypes.c_ulong(flags), data), f"mount of {target}")


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
