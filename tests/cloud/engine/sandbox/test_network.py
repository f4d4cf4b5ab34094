"""The network of a host, tried from inside: what is of this machine, of the internet, and of the host alone."""

from __future__ import annotations

import http.server
import json
import os
import secrets
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.engine.sandbox import tunnels
from sagelab.cloud.engine.sandbox.door import Keys
from sagelab.cloud.engine.sandbox.launcher import Launcher, Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import TRUSTING, Network, Trust
from sagelab.cloud.home import Home
from tests.cloud.engine.sandbox.launching import launching


class Server(http.server.BaseHTTPRequestHandler):
    """Stands for the local cloud, or for an index of packages."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} on {self.connection.getsockname()[1]}".encode())

    def log_message(self, *_: Any) -> None:
        pass


def serve() -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int, int]]:
    """Of this machine: the local cloud's, an index's, somebody else's."""
    servers = [serve() for _ in range(3)]
    yield tuple(server.server_address[1] for server in servers)  # type: ignore[misc]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int, int]) -> Iterator[Launcher]:
    outside = {"PIP_INDEX_URL": f"http://127.0.0.1:{ports[1]}/simple", "PIP_CONFIG_FILE": os.devnull}
    yield from launching(tmp_path_factory, PYTHON, outside)


Start = Callable[..., Running]


@pytest.fixture
def start(launcher: Launcher, ports: tuple[int, int, int]) -> Iterator[Start]:
    """Starts hosts, one for each script, of one job."""
    made = []

    def run(
        *scripts: str,
        keys: Keys | None = None,
        network: bool = True,
        trust: Trust | None = None,
        encrypted: bool = False,
    ) -> Running:
        job, hosts = f"net-{secrets.token_hex(4)}", []
        made.append(job)
        for number, script in enumerate(scripts, start=1):
            folder = launcher.make_folder(job, f"algo-{number}")
            (folder / "ml/script.py").write_text(script)
            argv = ("python3", "/opt/ml/script.py")
            peers = {f"algo-{peer}": f"10.0.128.{peer}" for peer in range(1, len(scripts) + 1)}
            hosts.append(HostSpec(f"algo-{number}", str(folder), argv, environment("us-east-1"), peers))
        url = f"http://127.0.0.1:{ports[0]}"
        reached = Network(url, keys, trust=trust) if network else None
        return launcher.start(PYTHON, hosts, reached, encrypted=encrypted)

    yield run
    for job in made:
        launcher.remove_folder(job)


def hear(running: Running, host: str = "algo-1") -> str:
    """What a host prints, to its end."""
    with os.fdopen(running.outputs[host]) as output:
        said = output.read()
    assert running.group.ended.wait(30)
    assert not any(running.group.codes.values()), said
    return said


def test_host_finds_whom_it_trusts_by_the_names_that_programs_know(start: Start) -> None:
    names = ["AWS_CA_BUNDLE", *TRUSTING]
    script = f"import json, os; print(json.dumps({{name: open(os.environ[name]).read() for name in {names}}}))"
    seen = json.loads(hear(start(script, trust=Trust(b"ours", b"ours and others"))))
    assert seen == {"AWS_CA_BUNDLE": "ours"} | dict.fromkeys(TRUSTING, "ours and others")


DIAL = """
import socket, sys
def dial(family, address):
    try:
        with socket.socket(family) as connection:
            connection.settimeout(5)
            connection.connect(address)
            print(address, "reached", flush=True)
    except OSError as error:
        print(address, error, flush=True)
"""


@pytest.mark.parametrize("network", [True, False])
def test_ports_and_abstract_sockets_of_this_machine_are_not_there(
    start: Start, ports: tuple[int, int, int], network: bool
) -> None:
    name = f"\0sagelab-test-{secrets.token_hex(4)}"
    other = socket.create_server(("", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(name)
    abstract.listen()
    own = {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    places = [("127.0.0.1", ports[2]), *((address, other.getsockname()[1]) for address in own)]
    script = DIAL + f"for place in {places!r}: dial(socket.AF_INET, place)\ndial(socket.AF_UNIX, {name!r})\n"
    said = hear(start(script, network=network))
    other.close()
    abstract.close()
    assert "reached" not in said
    assert len(said.splitlines()) == len(places) + 1


def test_devices_of_this_machine_are_not_there(start: Start) -> None:
    script = "import os\nprint(sorted(os.listdir('/sys/class/net')), os.access('/sys/kernel', os.W_OK))\n"
    assert hear(start(script)) == "['lo'] False\n"


FETCH = """
import os, urllib.error, urllib.request
def fetch(url):
    try:
        print(urllib.request.urlopen(url, timeout=20).read().decode(), flush=True)
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode(), flush=True)
    except OSError as error:
        print(url, error, flush=True)
"""


def test_the_local_cloud_and_the_users_index_are_reached_and_nothing_beside_them(
    start: Start, ports: tuple[int, int, int]
) -> None:
    cloud, index, other = ports
    script = FETCH + (
        f"fetch('http://127.0.0.1:{cloud}/cloud')\nfetch(os.environ['PIP_INDEX_URL'])\n"
        f"os.environ['NO_PROXY'] = os.environ['no_proxy'] = ''\n"
        f"fetch('http://127.0.0.1:{other}/')\nfetch('http://localhost:{other}/')\nfetch('http://10.0.0.1/')\n"
    )
    said = hear(start(script)).splitlines()
    assert said[:2] == [f"/cloud on {cloud}", f"/simple on {index}"]
    assert [line[:3] for line in said[2:]] == ["403"] * 3


def test_hosts_of_a_job_reach_one_another_and_jobs_do_not(start: Start) -> None:
    listen = """
import socket
with socket.create_server(("0.0.0.0", 7777)) as server:
    print("listens", flush=True)
    server.accept()[0].sendall(b"hello")
"""
    dial = """
import socket, time
for _ in range(500):
    try:
        print(socket.create_connection(("algo-1", 7777), 5).recv(9), flush=True)
        break
    except OSError:
        time.sleep(0.02)
"""
    waiting = start(listen)
    with os.fdopen(waiting.outputs["algo-1"]) as output:
        assert output.readline() == "listens\n"
        # Another job takes the same port, and its second host finds it there.
        running = start(listen, dial)
        assert hear(running, "algo-2") == "b'hello'\n"
        os.close(running.outputs["algo-1"])
        waiting.group.kill()
        assert output.read() == ""
    assert waiting.group.ended.wait(30)


MEET = """
import json, os, socket, sys, time
me, other = sys.argv[1], "algo-2" if sys.argv[1] == "algo-1" else "algo-1"
def tried(act):
    try:
        return act() or "done"
    except OSError as error:
        return str(error)
def spoof():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forged:
        forged.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
        forged.bind(("10.0.128.9", 0))
        forged.sendto(b"forged", (other, 7777))
def transparent():
    with socket.socket() as forged:
        forged.setsockopt(socket.IPPROTO_IP, 19, 1)
def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def add_address():
    from sagelab.cloud.engine.sandbox import links
    links.Kernel().add_address("10.0.128.9")
def dial(address, port):
    socket.create_connection((address, port), 5).close()
said = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
said.bind(("0.0.0.0", 7777))
end, own = socket.create_server(("0.0.0.0", 7779)), socket.create_server(("127.0.0.1", 7778))
server = socket.create_server(("0.0.0.0", 7777))
while tried(lambda: dial(other, 7777)) != "done":
    time.sleep(0.01)
said.sendto(b"hello from " + me.encode(), (other, 7777))
print(json.dumps({
    "device": sorted(name for _, name in socket.if_nameindex()),
    "me": socket.gethostbyname(me), "other": socket.gethostbyname(other), "heard": said.recv(99).decode(),
    "raw": tried(raw), "address": tried(add_address), "transparent": tried(transparent),
    "spoofed": tried(spoof), "loopback": tried(lambda: dial(other, 7778)),
    "nobody": tried(lambda: dial("10.0.128.7", 7777)), "outside": tried(lambda: dial("192.0.2.1", 80)),
}), flush=True)
if me == "algo-1":
    end.accept()[0].close()  # the other has tried all of it
else:
    socket.create_connection((other, 7779)).recv(1)
"""


def test_each_host_has_an_address_of_its_own_and_can_forge_none(start: Start) -> None:
    running = start(*(f"import sys\nsys.argv[1:] = ['algo-{number}']\n{MEET}" for number in (1, 2)))
    found = [json.loads(hear(running, host)) for host in ("algo-1", "algo-2")]
    addresses = ["10.0.128.1", "10.0.128.2"]
    assert [each["me"] for each in found] == addresses
    assert [each["other"] for each in found] == addresses[::-1]
    assert [each["heard"] for each in found] == ["hello from algo-2", "hello from algo-1"]
    for each in found:
        assert each["device"] == ["eth0", "lo"]
        assert each["loopback"].endswith("refused")
        assert all("not permitted" in each[way] for way in ("raw", "address", "transparent"))
        assert each["spoofed"].startswith("[Errno")
        assert all("unreachable" in each[way] for way in ("nobody", "outside"))


TALK = """
import socket, time
if socket.gethostname() == "algo-2":
    with socket.create_server(("algo-2", 5000)) as listener:
        connection, (source, _) = listener.accept()
        print(source, len(connection.makefile("rb").read()), flush=True)
else:
    for _ in range(1000):
        try:  # one that was given up too early would be the one that the other takes
            connection = socket.create_connection(("algo-2", 5000), timeout=30)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    connection.sendall(bytes(3_000_000))
    connection.close()
    print(sorted(name for _, name in socket.if_nameindex()), flush=True)
"""


@pytest.mark.parametrize("network", [True, False])
def test_hosts_reach_one_another_through_tunnels(start: Start, launcher: Launcher, network: bool) -> None:
    if reason := launcher.encryption_unavailable():
        pytest.skip(f"nothing can be encrypted here: {reason}")
    running = start(TALK, TALK, network=network, encrypted=True)
    assert hear(running) == "['eth0', 'lo']\n"
    assert hear(running, "algo-2") == "10.0.128.1 3000000\n"


def test_hosts_that_cannot_be_encrypted_are_not_started(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "unavailable", lambda: "it is not here")
    with pytest.raises(RuntimeError, match="it is not here"):
        start(TALK, TALK, encrypted=True)
    assert hear(start("print(1)", encrypted=True)) == "1\n"  # without effect on one host, as on AWS


def test_hosts_share_a_network_where_none_can_be_joined(
    start: Start, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher.warm(PYTHON), "joined", False)
    script = "import socket\nprint(socket.gethostbyname('algo-2'), socket.if_nameindex())\n"
    running = start(script, script)
    assert [hear(running, host) for host in ("algo-1", "algo-2")] == ["127.1.0.2 [(1, 'lo')]\n"] * 2
    assert launcher.interface(2) == "lo"


def test_keys_are_had_inside_with_the_token_and_not_after_the_end(start: Start) -> None:
    keys, inside = Keys("of-this-job", lambda: json.dumps({"AccessKeyId": "AKIA"}).encode()), []
    script = """
import os, urllib.request
url, token = (os.environ["AWS_CONTAINER_" + name] for name in ("CREDENTIALS_FULL_URI", "AUTHORIZATION_TOKEN"))
print(urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": token})).read().decode())
try:
    urllib.request.urlopen(url)
except OSError as error:
    print(error.code)
print([name for name in os.environ if "SECRET" in name or "SESSION" in name])
"""
    running = start(script, keys=keys)
    assert running.group.ways
    inside += running.group.ways._served
    said = hear(running).splitlines()
    assert said == ['{"AccessKeyId": "AKIA"}', "401", "[]"]
    assert running.group.ways._served == []


def test_where_there_are_no_namespaces_the_keys_end_with_the_job(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("SAGELAB_SANDBOX", "plain")
        launcher = Launcher(Home(tmp_path), {})
        folder = launcher.make_folder("plain", "algo-1")
        script = folder / "ml/script.py"
        script.write_text("import os, sys\nprint(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'], flush=True)\n")
        argv = ("/bin/bash", "-c", f"python3 {script}; until [ -e {folder}/ml/end ]; do sleep 0.02; done")
        host = HostSpec("algo-1", str(folder), argv, environment("us-east-1"))
        running = launcher.start(PYTHON, [host], Network("http://127.0.0.1:1", Keys("token", lambda: b"{}")))
    with os.fdopen(running.outputs["algo-1"]) as output:
        request = urllib.request.Request(output.readline().strip(), headers={"Authorization": "token"})
        assert urllib.request.urlopen(request, timeout=20).read() == b"{}"
        (folder / "ml/end").touch()
        assert running.group.ended.wait(30)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(request, timeout=20)
    launcher.close()
