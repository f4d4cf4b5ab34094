"""Starts the hosts of a job: a folder for each, a warm Python to fork them from, a pipe for what they print."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sagelab.cloud.engine.data import encrypted, trees
from sagelab.cloud.engine.images.environments import Environments
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.engine.images.registry import Registry
from sagelab.cloud.engine.images.runtimes import PYTHON, Runtime
from sagelab.cloud.engine.sandbox import cgroups, layer, links, shim, tunnels
from sagelab.cloud.engine.sandbox.init import MODULES
from sagelab.cloud.engine.sandbox.internet import Internet
from sagelab.cloud.engine.sandbox.namespaces import COMMANDS, LAYER, PROGRAM, HostSpec
from sagelab.cloud.engine.sandbox.network import Network, Ways
from sagelab.cloud.engine.sandbox.warm import ForkServer, Group
from sagelab.cloud.home import Home

LOOK = 0.1  # seconds between two looks whether a host has died before it said a word
FOLDERS = ("ml", "tmp", "home", "run", "root", "bin")


@dataclass(frozen=True)
class Running:
    """A started job: its group of hosts, and for each host the end of the pipe to read its output from."""

    group: Group
    outputs: dict[str, int]

    def accept(self, listener: socket.socket, seconds: float) -> socket.socket | None:
        """The connection of its first process, before anybody's code runs in it. None: it ended, or none came."""
        limit = time.monotonic() + seconds
        listener.settimeout(LOOK)
        while time.monotonic() < limit and not self.group.ended.is_set():
            with contextlib.suppress(TimeoutError):
                return listener.accept()[0]
        return None


class Launcher:
    """Owns the warm Pythons of one local cloud."""

    def __init__(self, home: Home, outside: Mapping[str, str] | None = None) -> None:
        """outside: the variables of whoever started the local cloud, for what is downloaded."""
        self._home, self.images = home, Registry(OwnImages(home.images))
        self.environments = Environments(home.environments, outside)
        self._internet = Internet(dict(os.environ if outside is None else outside))
        self._lock, self._closed = threading.Lock(), False
        self._fork_servers: dict[tuple[str, ...], ForkServer] = {}
        self._cgroups = cgroups.divide()
        self._opened: dict[Path, encrypted.Opened] = {}
        encrypted.release(home.path)
        for leftover in home.jobs.iterdir():
            trees.remove(leftover)

    def warm(self, runtime: Runtime) -> ForkServer:
        """The warm Python of a runtime; started if there is none. Does not wait for its imports.

        PullFailed: its packages are not there, and could not be had. RuntimeError: the local cloud ends.
        """
        key, environment = (runtime.environment.name, *runtime.imports), runtime.environment
        self.environments.pull(environment)
        with self._lock:
            if self._closed:
                raise RuntimeError("the local cloud ends")
            fork_server = self._fork_servers.get(key)
            if fork_server is None or not fork_server.alive:
                python, packages = self.environments.python(environment), self.environments.packages(environment)
                variables = dict(environment.variables)
                fork_server = ForkServer(python, runtime.imports, self._home, packages, variables)
                self._fork_servers[key] = fork_server
            return fork_server

    def is_warm(self, runtime: Runtime) -> bool:
        """Whether the warm Python of a runtime is there at once; it is started if its packages are there."""
        return self.environments.is_there(runtime.environment) and self.warm(runtime).ready

    def start(
        self, runtime: Runtime, hosts: list[HostSpec], network: Network | None, *, encrypted: bool = False
    ) -> Running:
        """Start the hosts of a job. Their folders are made by `make_folder`.

        network: what they reach; None: one another alone. encrypted: what goes from one to another is.
        RuntimeError: it cannot be.
        """
        fork_server = self._ready(runtime)
        if encrypted and len(hosts) > 1 and (reason := self.encryption_unavailable(runtime)):
            raise RuntimeError(reason)
        forks = () if fork_server.sandbox_unavailable else runtime.forks
        environment = runtime.environment
        python, packages = self.environments.python(environment), self.environments.packages(environment)
        beside = layer.Beside(packages, environment.start) if packages else None
        variables = dict(environment.variables)
        hosts = [_with_program(replace(host, env=variables | host.env)) for host in hosts]
        hosts = [layer.lay_out(host, python, self._lies_over(host, fork_server), beside) for host in hosts]
        if fork_server.sandbox_unavailable:
            hosts = [without_namespaces(host) for host in hosts]
        elif not fork_server.joined:
            hosts = [replace(host, peers=on_loopback(host.peers)) for host in hosts]
        if not fork_server.limited:
            hosts = [replace(host, bandwidth=None) for host in hosts]
        ways = self._open_ways(network, apart=not fork_server.sandbox_unavailable)
        if ways:
            hosts = [ways.prepare(host, apart=not fork_server.sandbox_unavailable) for host in hosts]
        pipes = {host.name: os.pipe() for host in hosts}
        try:
            for host in hosts:
                _write_commands(Path(host.folder) / "bin", forks, host.python, environment.commands)
            hosts = [replace(host, forks=forks, cgroup=self._make_cgroup(host)) for host in hosts]
            spoken = [(host, pipes[host.name][1]) for host in hosts]
            group = fork_server.start(spoken, ways, encrypted=encrypted)
        except BaseException:
            _give_up(ways, hosts)
            raise
        finally:
            for _, writer in pipes.values():
                os.close(writer)
        return Running(group, {name: reader for name, (reader, _) in pipes.items()})

    def _make_cgroup(self, host: HostSpec) -> str:
        made = self._cgroups.make(host.memory, host.processes) if self._cgroups else None
        return str(made or "")

    def _open_ways(self, network: Network | None, apart: bool) -> Ways | None:
        if network is None:
            return None
        ways = Ways(network, self._internet)
        if not apart:
            ways.open_here()
        return ways

    def sandbox_unavailable(self, runtime: Runtime) -> str | None:
        """Why hosts are plain processes on this machine; None where they have namespaces of their own."""
        return self._ready(runtime).sandbox_unavailable

    def encryption_unavailable(self, runtime: Runtime = PYTHON) -> str | None:
        """Why what goes from host to host cannot be encrypted on this machine; None where it can."""
        if not self._ready(runtime).joined:
            return "the hosts of a job have no networks of their own here; `sagelab doctor` says why"
        return tunnels.unavailable()

    def limits_bandwidth(self, runtime: Runtime) -> bool:
        """Whether what the hosts of a job send to one another can be held to a bandwidth on this machine."""
        fork_server = self._ready(runtime)
        return fork_server.joined and fork_server.limited

    def interface(self, hosts: int) -> str:
        """The device of the network of each of so many hosts: eth0, or the loopback where they share one."""
        with self._lock:
            ready = [each for each in self._fork_servers.values() if each.alive and each.ready]
        fork_server = ready[0] if ready else self.warm(PYTHON)
        fork_server.wait_ready()
        return links.DEVICE if fork_server.joined and hosts > 1 else "lo"

    def _ready(self, runtime: Runtime) -> ForkServer:
        """The warm Python of a runtime, once it has said what this machine allows."""
        fork_server = self.warm(runtime)
        fork_server.wait_ready()
        return fork_server

    def _lies_over(self, host: HostSpec, fork_server: ForkServer) -> bool:
        """Whether its layer can lie over its packages: not every file system can hold one for the kernel."""
        return fork_server.overlay and Path(host.folder) not in self._opened

    def make_folder(self, job: str, host: str, passphrase: bytes | None = None) -> Path:
        """A new folder for one host: its /opt/ml, /tmp and home, all empty.

        passphrase: of an encrypted volume, which all of it lies on then. InternalServerError: there can be none.
        """
        folder = self._home.jobs / job / host
        if passphrase is not None:
            stored = folder.with_name(f"{host}.encrypted")
            opened = encrypted.open_folder(stored, folder, passphrase)
            with self._lock:
                self._opened[folder] = opened
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        return folder

    def remove_folder(self, job: str) -> None:
        with self._lock:
            folders = [one for one in self._opened if one.parent == self._home.jobs / job]
            opened = [self._opened.pop(one) for one in folders]
        for each in opened:
            each.close()
        trees.remove(self._home.jobs / job)

    def close(self) -> None:
        """End every warm Python and all that it runs; no other is started."""
        with self._lock:
            self._closed = True
            for fork_server in self._fork_servers.values():
                if fork_server.alive:
                    fork_server.close()
            self._fork_servers.clear()


def _give_up(ways: Ways | None, hosts: list[HostSpec]) -> None:
    """Close what was opened for hosts that did not start."""
    if ways:
        ways.close()
    for host in hosts:
        if host.cgroup:
            cgroups.remove(Path(host.cgroup))


def _write_commands(
    folder: Path, forks: tuple[str, ...], python: str, scripts: tuple[tuple[str, str], ...]
) -> None:
    """The commands of a host; they are there already where it is started again.

    scripts: console scripts of its packages, and the module that each runs.
    """
    if any(folder.iterdir()):
        return
    real = f'#!/bin/sh\nexec {python} "$@"\n'
    asking = shim.SCRIPT.replace("{python!r}", repr(python)).replace("{python}", python)
    _write_command(folder / "python3", asking if "python3" in forks else real)
    _write_command(folder / "pip3", f'#!/bin/sh\nexec {python} -m pip "$@"\n')
    for name in ("python", "pip"):
        for version in ("", f"3.{sys.version_info.minor}"):
            (folder / f"{name}{version}").symlink_to(f"{name}3")
    for name, module in scripts:
        _write_command(folder / name, f'#!/bin/sh\nexec python3 -m {module} "$@"\n')
    for (name,), module in MODULES.items():
        _write_command(folder / name, f"#!/bin/sh\nexec python3 -m {module}\n")


def _write_command(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def on_loopback(peers: dict[str, str]) -> dict[str, str]:
    """Addresses for hosts that share a network."""
    return {name: f"127.1.{number >> 8}.{number & 255}" for number, name in enumerate(peers, start=1)}


def without_namespaces(host: HostSpec) -> HostSpec:
    """The same host as a plain process: /opt/ml is then a folder, and what names it is told so."""
    base = f"{host.folder}/ml"
    paths = {
        "/opt/ml": base,
        COMMANDS: f"{host.folder}/bin",
        LAYER: f"{host.folder}/layer/upper",
        "/run/sagelab": f"{host.folder}/run",
        PROGRAM: host.program or PROGRAM,
        **host.mounts,
        **host.read_only,
    }
    first = not any(Path(host.folder, "bin").iterdir())  # its code has not run yet
    for script in Path(base, "input/data/sm_drivers").rglob("*") if first else ():
        if script.suffix in (".sh", ".py", ".json"):
            script.write_text(script.read_text().replace("/opt/ml", base))
    env = {name: _moved(value, paths) for name, value in host.env.items()}
    env |= {
        "SAGEMAKER_BASE_DIR": base,
        "SM_STUDIO_LOCAL_MODE": "true",
        "HOME": f"{host.folder}/home",
        "TMPDIR": f"{host.folder}/tmp",
    }
    argv = tuple(_moved(part, paths) for part in host.argv)
    return replace(host, argv=argv, env=env, python=_moved(host.python, paths))


def _moved(text: str, paths: dict[str, str]) -> str:
    """The text with each place's name replaced by where it is; of two that fit, the longer one counts."""
    pattern = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))
    return re.sub(pattern, lambda found: paths[found[0]], text)


def _with_program(host: HostSpec) -> HostSpec:
    """The commands of an image of the learner's own come before all others."""
    path = f"{PROGRAM}:{host.env.get('PATH', '')}"
    return replace(host, env=host.env | {"PATH": path}) if host.program else host
