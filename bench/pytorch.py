"""What jobs of PyTorch's image cost over their scripts run bare: an empty one, and torchrun on two hosts."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from frameworks import difference
from jobs import Jobs, algorithm, run_bare
from place import local_cloud, new_home
from table import Result
from training import OFTEN

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311"
EMPTY = "import torch\n"
TOGETHER = """
import torch
import torch.distributed as dist
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(100, 100))
for _ in range(100):
    model(torch.ones(32, 100)).sum().backward()
dist.destroy_process_group()
"""


def pytorch(quick: bool) -> Iterator[Result]:
    """An empty job, and two hosts that exchange gradients against two processes of one bare torchrun."""
    count = 3 if quick else 10
    with new_home() as home, local_cloud(home) as place, tempfile.TemporaryDirectory() as folder:
        jobs, used = Jobs(place), algorithm(TrainingImage=IMAGE)
        empty, together = Path(folder, "empty.py"), Path(folder, "together.py")
        empty.write_text(EMPTY)
        together.write_text(TOGETHER)
        jobs.run(jobs.script(empty, AlgorithmSpecification=used), OFTEN)  # pulls and warms it
        python = str(home.environments / "pytorch/bin/python")
        yield difference(
            jobs, empty, used, [python, str(empty)], count, 0.0, "job of PyTorch that imports torch - bare"
        )
        hosts = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
        torchrun = {"sagemaker_torch_distributed_enabled": "true"}
        command = [python, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(together)]
        pairs = [
            (
                jobs.run(
                    jobs.script(together, torchrun, AlgorithmSpecification=used, ResourceConfig=hosts), OFTEN
                )[0],
                run_bare(*command)[0],
            )
            for _ in range(count)
        ]
    job, bare = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    seen = f"median of {count}: job {job:.3f} s, bare {bare:.3f} s"
    yield Result("torchrun on two hosts / two processes of a bare one", job / bare, 1.0, "x", seen=seen)
