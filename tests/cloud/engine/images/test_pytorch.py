"""PyTorch's image: a script trains, hosts train together by torchrun, and the model server answers."""

from __future__ import annotations

import io
import json
from typing import Any

import botocore.exceptions
import numpy as np
import pytest

from sagelab.cloud.engine.images.environments import PYTORCH, Environments
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs, pack
from tests.conftest import LocalCloud

# Its packages are pulled first, more than 1 GB. PIP_FIND_LINKS may say where PyTorch's CPU build lies.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ACCOUNT = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = f"{ACCOUNT}/pytorch-{{}}:2.3.0-cpu-py311"
TRAIN = """
import os, shutil, sys
print(f"warm {'torch' in sys.modules}")
import torch
print("hosts meet at {MASTER_ADDR} {MASTER_PORT} {SM_DLC_TORCH_VERSION}".format(**os.environ))
torch.manual_seed(0)
rows = torch.rand(256, 2)
labels = rows @ torch.tensor([[2.0], [-1.0]]) + 3
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for _ in range(600):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(rows), labels)
    loss.backward()
    optimizer.step()
print(f"loss={loss.item():.6f}")
torch.jit.script(model).save(os.environ["SM_MODEL_DIR"] + "/model.pt")
torch.save(model.state_dict(), os.environ["SM_MODEL_DIR"] + "/weights.pth")
os.mkdir(os.environ["SM_MODEL_DIR"] + "/code")
shutil.copy("serve.py", os.environ["SM_MODEL_DIR"] + "/code")
"""
# What of two hosts each sees: other rows, the mean of both gradients, the same weights after each step.
TOGETHER = """
import json, os, socket
import torch
import torch.distributed as dist
if "RANK" not in os.environ:  # without a launcher, as scripts of old have it
    hosts = json.loads(os.environ["SM_HOSTS"])
    os.environ.update(WORLD_SIZE=str(len(hosts)), RANK=str(hosts.index(os.environ["SM_CURRENT_HOST"])))
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1, bias=False))
model.module.weight.data.fill_(0.0)
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
loss = -float(rank + 1) * model(torch.ones(1, 1)).sum()
loss.backward()
print(f"{socket.gethostname()} is {rank} of {size}, gradient {model.module.weight.grad.item()}")
optimizer.step()
total = torch.tensor([float(rank + 1)])
dist.all_reduce(total)
print(f"weight {model.module.weight.item()} sum {total.item()}")
dist.barrier()
dist.destroy_process_group()
"""
SERVE = """
import torch
def model_fn(folder, context):
    model = torch.nn.Linear(2, 1)
    model.load_state_dict(torch.load(folder + "/weights.pth"))
    model.folder = context.system_properties["model_dir"]
    return model
def input_fn(body, kind):
    if kind == "text/csv":
        return torch.tensor([[float(one) for one in line.split(",")] for line in body.splitlines()])
    raise ValueError("no such input: " + type(body).__name__)
def output_fn(prediction, accept):
    return ",".join(f"{one:.2f}" for one in prediction.flatten().tolist())
"""


@pytest.fixture(scope="module", autouse=True)
def pulled(cloud: LocalCloud) -> None:
    Environments(cloud.home.environments).pull(PYTORCH)


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    return Jobs(cloud)


def request(jobs: Jobs, script: str, hosts: int = 1, **parameters: str) -> dict[str, Any]:
    """A job with a script. parameters: more of the hyperparameters."""
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1}
    code = pack({"train.py": script, "serve.py": SERVE})
    asked = jobs.script(code, parameters=parameters, ResourceConfig=resources)
    asked["AlgorithmSpecification"]["TrainingImage"] = IMAGE.format("training")
    return asked


@pytest.fixture(scope="module")
def trained(jobs: Jobs) -> str:
    """Where the model of a training job is."""
    asked = request(jobs, TRAIN)
    asked["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=(.*)"}]
    ended = jobs.run(asked)
    log = jobs.full_log(asked["TrainingJobName"])
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert "PyTorch 2." in log
    assert "warm True\nhosts meet at algo-1 7777 2." in log
    assert ended["FinalMetricDataList"][0]["Value"] < 0.01
    return str(ended["ModelArtifacts"]["S3ModelArtifacts"])


@pytest.mark.parametrize("way", ["torch_distributed", "pytorch_ddp", "nothing"])
def test_two_hosts_train_one_model(jobs: Jobs, way: str) -> None:
    asked = request(jobs, TOGETHER, 2, **{f"sagemaker_{way}_enabled": "true"})
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    for rank, host in enumerate(("algo-1", "algo-2")):
        log = jobs.log(asked["TrainingJobName"], host)
        assert f"{host} is {rank} of 2, gradient -1.5" in log
        assert "weight 1.5 sum 3.0" in log


def test_a_script_that_fails_on_one_host_is_the_jobs_reason(jobs: Jobs) -> None:
    script = "import os\nassert os.environ['RANK'] == '0', 'the second host'\nprint('fine')"
    ended = jobs.run(request(jobs, script, 2, sagemaker_torch_distributed_enabled="true"))
    assert ended["TrainingJobStatus"] == "Failed"
    assert "the second host" in ended["FailureReason"]


def serve(cloud: LocalCloud, archive: str, **environment: str) -> tuple[Hosting, str]:
    hosting, image = Hosting(cloud), IMAGE.format("inference")
    model = hosting.model(None, Image=image, ModelDataUrl=archive, Environment=environment)
    return hosting, hosting.serve(hosting.config(model))


def ask(hosting: Hosting, name: str, body: bytes, kind: str, accept: str = "*/*") -> bytes:
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind, Accept=accept)
    return bytes(answer["Body"].read())


def test_torchscript_model_answers_without_a_script(cloud: LocalCloud, trained: str) -> None:
    hosting, name = serve(cloud, trained)
    expected = [[5.0], [3.0]]
    rows = np.array([[1.0, 0.0], [1.0, 2.0]], dtype=np.float32)
    for sent, kind in ((json.dumps(rows.tolist()).encode(), "application/json"), (b"1,0\n1,2", "text/csv")):
        assert np.allclose(json.loads(ask(hosting, name, sent, kind)), expected, atol=0.1)
    content = io.BytesIO()
    np.save(content, rows)
    given = ask(hosting, name, content.getvalue(), "application/x-npy", "application/x-npy")
    assert np.allclose(np.load(io.BytesIO(given)), expected, atol=0.1)
    for body, kind, why in ((b"x", "image/png", "not supported"), (b"[[1, 2, 3]]", "application/json", "shapes")):
        with pytest.raises(botocore.exceptions.ClientError, match=f"(?s)server error \\(500\\).*{why}"):
            ask(hosting, name, body, kind)
    hosting.close()


def test_functions_of_the_script_come_first(cloud: LocalCloud, trained: str) -> None:
    hosting, name = serve(cloud, trained, SAGEMAKER_PROGRAM="serve.py")
    assert [round(float(one)) for one in ask(hosting, name, b"1,0\n1,2", "text/csv").split(b",")] == [5, 3]
    with pytest.raises(botocore.exceptions.ClientError, match="no such input: str"):
        ask(hosting, name, b"{}", "application/json")
    hosting.close()


def test_model_that_nothing_loads_says_so(cloud: LocalCloud) -> None:
    hosting = Hosting(cloud)
    model = hosting.model(pack({"weights.bin": "x"}), Image=IMAGE.format("inference"))
    name = hosting.start(hosting.config(model))
    assert "Exactly one .pth or .pt file" in hosting.wait(name)["FailureReason"] + hosting.log(name)
    hosting.close()
