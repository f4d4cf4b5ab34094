"""What EC2 has on record of the networks of instances, and what two hosts of a job make of it."""

from __future__ import annotations

import re

import pytest
from moto.utilities.utils import load_resource

from sagelab.cloud.engine.jobs import bandwidth
from sagelab.cloud.engine.sandbox import links, probes, tunnels
from tests.cloud.jobs import Jobs

SIZE, RATE = 20 << 20, 750_000_000  # bytes, bits a second of ml.m5.large
BURST = 1 << 20  # bytes that may go at once, and be on their way out
SEND = """
import json, socket, time
size, port = SIZE, 7777
name = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
if name == "algo-2":
    with socket.create_server(("", port)) as listener:
        peer = listener.accept()[0]
    while size:
        size -= len(peer.recv(min(size, 1 << 20)))
    peer.sendall(b".")
else:
    while True:
        try:
            peer = socket.create_connection(("algo-2", port))
            break
        except OSError:
            time.sleep(0.05)
    began = time.monotonic()
    peer.sendall(bytes(size))
    peer.recv(1)
    print("took", time.monotonic() - began)
"""


@pytest.mark.parametrize(
    ("instance_type", "rate"),
    [
        ("ml.m5.large", 750_000_000),
        ("ml.c5.9xlarge", 12_000_000_000),
        ("ml.g4dn.xlarge", 5_000_000_000),
        ("ml.t3.medium", 256_000_000),
        ("ml.p4d.24xlarge", 400_000_000_000),
        ("ml.p3.2xlarge", None),  # of which EC2's record says no number
        ("ml.m5.tiny", None),
    ],
)
def test_the_bandwidth_of_a_type_is_its_baseline(instance_type: str, rate: int | None) -> None:
    assert bandwidth.baseline(instance_type) == rate


def test_the_table_says_what_ec2_has_on_record() -> None:
    record = load_resource("ec2/resources/instance_types.json")
    for family, sizes in bandwidth.table()["gbps"].items():
        for size, gbps in sizes.items():
            cards = record[f"{family}.{size}"]["NetworkInfo"]["NetworkCards"]
            assert sum(card["BaselineBandwidthInGbps"] for card in cards) == pytest.approx(gbps), (family, size)


def test_the_log_says_what_the_network_is() -> None:
    assert bandwidth.describe("ml.m5.large", RATE, limited=True) == (
        "between the hosts go 0.75 Gbit/s at most, the baseline of ml.m5.large"
    )
    assert "this machine" in bandwidth.describe("ml.m5.large", RATE, limited=False)
    assert "EC2" in bandwidth.describe("ml.p3.2xlarge", None, limited=True)


@pytest.mark.parametrize("encrypted", [False, True])
def test_two_hosts_send_no_faster_than_their_type(jobs: Jobs, encrypted: bool) -> None:
    asked = (probes.probe, probes.probe_links, lambda: probes.try_apart(links.limit_loopback))
    if reason := next(filter(None, (probe() for probe in asked)), None):
        pytest.skip(f"no bandwidth can be set here: {reason}")
    if encrypted and (reason := tunnels.unavailable()):
        pytest.skip(f"nothing can be encrypted here: {reason}")
    source = jobs.channel("code", jobs.put("code/send.py", SEND.replace("SIZE", str(SIZE)).encode()))
    command = "python3 /opt/ml/input/data/code/send.py"
    request = jobs.shell(command, InputDataConfig=[source], EnableInterContainerTrafficEncryption=encrypted)
    request["ResourceConfig"]["InstanceCount"] = 2
    jobs.run(request)
    took = re.search(r"took (\S+)", jobs.log(request["TrainingJobName"], "algo-1"))
    assert took
    assert float(took[1]) >= 8 * (SIZE - BURST) / RATE
    assert "0.75 Gbit/s" in jobs.full_log(request["TrainingJobName"])
