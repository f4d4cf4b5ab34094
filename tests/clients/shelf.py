"""What the AWS CLI's commands act on: one bucket, one trained job, one endpoint, ... made once through boto3."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud import processing
from tests.cloud.endpoints import IMAGE as SERVING
from tests.cloud.endpoints import Hosting
from tests.cloud.instances import Instances
from tests.cloud.jobs import ROLE, Jobs, pack
from tests.conftest import LocalCloud
from tests.waiting import until

TRAIN = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_known_args()[0].rate or 0.5
print(f"val_acc: {1 - rate};")
pathlib.Path("/opt/ml/model/1").mkdir(parents=True)
pathlib.Path("/opt/ml/model/1/weights.txt").write_text(str(rate))
"""
ENDED = ("COMPLETED", "FAILED", "STOPPED")
METRIC = [{"Name": "val_acc", "Regex": r"val_acc: ([0-9\.]+);"}]


@dataclass
class Shelf:
    """The things by name, as the placeholders of the commands have them."""

    cloud: LocalCloud
    folder: Path
    archive: bytes
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jobs, self.hosting = Jobs(self.cloud), Hosting(self.cloud)
        self._put_files()
        self._train()
        self._serve()
        self._process()
        self.notebooks = Instances(self.cloud)
        self.names |= {"role": ROLE, "serving": SERVING, "account": self.cloud.home.account}

    def close(self) -> None:
        self.hosting.close()
        self.notebooks.close()

    def fresh(self, *kinds: str) -> dict[str, str]:
        """The names, a {new} that nothing has, and what the kinds make for one command alone."""
        names = self.names | {"new": f"cli-{uuid.uuid4().hex[:10]}"}
        for kind in kinds:
            MAKERS[kind](self, names)
        return names

    def write(self, name: str, content: Any) -> str:
        """A file of the folder; its path."""
        file = self.folder / f"{name}-{uuid.uuid4().hex[:8]}.json"
        file.write_text(json.dumps(content))
        return str(file)

    def _put_files(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        for name in ("a", "b"):
            (data / f"{name}.csv").write_text(f"{name},1\n")
            self.jobs.put(f"in/{name}.csv", f"{name},1\n".encode())
        (self.folder / "payload.json").write_text('{"instances": [[1.0, 2.0]]}')
        self.jobs.put("lines/rows.jsonl", b"[1, 2]\n[3, 4]\n")
        self.names |= {"bucket": self.jobs.bucket, "data": str(data), "folder": str(self.folder)}

    def _train(self) -> None:
        archive = pack({"train.py": TRAIN})
        self.names["code"] = self.jobs.put("code/sourcedir.tar.gz", archive)
        done = self.jobs.script(TRAIN, Tags=[{"Key": "team", "Value": "cli"}])
        done["AlgorithmSpecification"]["MetricDefinitions"] = METRIC
        self.names["image"] = done["AlgorithmSpecification"]["TrainingImage"]
        self.jobs.run(done)
        failed = self.jobs.shell("echo no such luck; exit 3")
        self.jobs.run(failed)
        self.names |= {"job": done["TrainingJobName"], "failed": failed["TrainingJobName"]}
        streams = self.jobs.logs.describe_log_streams(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{self.names['job']}/"
        )["logStreams"]
        self.names["stream"] = streams[0]["logStreamName"]
        self.names["job_arn"] = self.jobs.describe(done["TrainingJobName"])["TrainingJobArn"]

    def _serve(self) -> None:
        model = self.hosting.model(self.archive)
        config = self.hosting.config(model)
        self.names |= {"model": model, "config": config, "endpoint": self.hosting.serve(config)}
        described = self.hosting.sagemaker.describe_model(ModelName=model)
        self.names["model_data"] = described["PrimaryContainer"]["ModelDataUrl"]
        place = {"S3Uri": self.names["model_data"], "Framework": "TENSORFLOW", "DataInputConfig": '{"x": [1, 2]}'}
        (self.folder / "compile.json").write_text(json.dumps(place))

    def _process(self) -> None:
        job = processing.request("echo processed")
        processing.run(self.jobs, job)
        self.names |= {"processing": job["ProcessingJobName"], "sklearn": processing.IMAGE}


def _running(shelf: Shelf, names: dict[str, str]) -> None:
    job = shelf.jobs.shell("exec sleep 1000")
    shelf.jobs.sagemaker.create_training_job(**job)
    names["running"] = job["TrainingJobName"]


def _doomed_job(shelf: Shelf, names: dict[str, str]) -> None:
    names["ended"] = shelf.jobs.run(shelf.jobs.shell("true"))["TrainingJobName"]


def _training_request(shelf: Shelf, names: dict[str, str]) -> None:
    job = shelf.jobs.script(TRAIN)
    job["AlgorithmSpecification"]["MetricDefinitions"] = METRIC
    names["request"] = shelf.write("training", job)


def _processing_request(shelf: Shelf, names: dict[str, str]) -> None:
    names["request"] = shelf.write("processing", processing.request("true"))


def _ended_processing(shelf: Shelf, names: dict[str, str]) -> None:
    names["ended"] = processing.run(shelf.jobs, processing.request("true"))["ProcessingJobName"]


def _running_processing(shelf: Shelf, names: dict[str, str]) -> None:
    job = processing.request("exec sleep 1000")
    shelf.jobs.sagemaker.create_processing_job(**job)
    names["running"] = job["ProcessingJobName"]


def _tuning_request(shelf: Shelf, names: dict[str, str]) -> None:
    ranges = {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}]}
    job = shelf.jobs.script(TRAIN)
    names["request"] = shelf.write(
        "tuning",
        {
            "HyperParameterTuningJobName": names["new"],
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "val_acc"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
                "ParameterRanges": ranges,
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": job["HyperParameters"],
                "AlgorithmSpecification": {
                    "TrainingImage": names["image"],
                    "TrainingInputMode": "File",
                    "MetricDefinitions": METRIC,
                },
                **{
                    name: job[name]
                    for name in ("RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
                },
            },
        },
    )


def _tuning(shelf: Shelf, names: dict[str, str]) -> None:
    """The one search that is looked at; made by the first command that needs it."""
    if "tuning" not in shelf.names:
        own = dict(names, new=f"cli-{uuid.uuid4().hex[:10]}")
        _tuning_request(shelf, own)
        request = json.loads(Path(own["request"]).read_text())
        shelf.jobs.sagemaker.create_hyper_parameter_tuning_job(**request)
        shelf.names["tuning"] = own["new"]
    names["tuning"] = shelf.names["tuning"]


def _spare_model(shelf: Shelf, names: dict[str, str]) -> None:
    names["spare"] = shelf.hosting.model(shelf.archive)


def _spare_config(shelf: Shelf, names: dict[str, str]) -> None:
    names["spare"] = shelf.hosting.config(names["model"])


def _spare_endpoint(shelf: Shelf, names: dict[str, str]) -> None:
    """The one endpoint that commands change."""
    if "spare endpoint" not in shelf.names:
        shelf.names["spare endpoint"] = shelf.hosting.serve(names["config"])
    names["spare"] = shelf.names["spare endpoint"]
    shelf.hosting.wait(names["spare"])


def _doomed_endpoint(shelf: Shelf, names: dict[str, str]) -> None:
    _spare_endpoint(shelf, names)
    shelf.hosting.made.remove(shelf.names.pop("spare endpoint"))
    shelf.names["gone endpoint"] = names["spare"]


def _gone_endpoint(shelf: Shelf, names: dict[str, str]) -> None:
    """An endpoint that a command has deleted before, else one that is deleted here."""
    if "gone endpoint" not in shelf.names:
        _doomed_endpoint(shelf, names)
        shelf.hosting.sagemaker.delete_endpoint(EndpointName=names["spare"])
    names["spare"] = shelf.names["gone endpoint"]
    shelf.hosting.wait_gone(names["spare"])


def _transform(shelf: Shelf, names: dict[str, str]) -> None:
    """The one batch transform that is looked at, when it has ended: the CLI asks once a minute."""
    if "transform" not in shelf.names:
        shelf.names["transform"] = _start_transform(shelf, names)
    names["transform"] = shelf.names["transform"]
    until(
        lambda: shelf.jobs.sagemaker.describe_transform_job(TransformJobName=names["transform"]),
        lambda job: job["TransformJobStatus"] == "Completed",
    )


def _start_transform(shelf: Shelf, names: dict[str, str]) -> str:
    name = f"cli-{uuid.uuid4().hex[:10]}"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{names['bucket']}/lines/rows.jsonl"}
    shelf.jobs.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=names["model"],
        TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "application/jsonlines"},
        TransformOutput={"S3OutputPath": f"s3://{names['bucket']}/{name}"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    return name


def _compilation(shelf: Shelf, names: dict[str, str]) -> None:
    """The one compilation job that is looked at."""
    if "compilation" not in shelf.names:
        shelf.names["compilation"] = _compile(shelf, names)
    names["compilation"] = shelf.names["compilation"]


def _doomed_compilation(shelf: Shelf, names: dict[str, str]) -> None:
    _compilation(shelf, names)
    shelf.names.pop("compilation")


def _compile(shelf: Shelf, names: dict[str, str]) -> str:
    name, sagemaker = names["new"], shelf.jobs.sagemaker
    sagemaker.create_compilation_job(
        CompilationJobName=name,
        RoleArn=ROLE,
        InputConfig=json.loads((shelf.folder / "compile.json").read_text()),
        OutputConfig={"S3OutputLocation": f"s3://{names['bucket']}/{name}", "TargetDevice": "ml_c5"},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    until(
        lambda: sagemaker.describe_compilation_job(CompilationJobName=name)["CompilationJobStatus"],
        lambda status: status in ENDED,
    )
    return name


def _lifecycle(shelf: Shelf, names: dict[str, str]) -> None:
    names["lifecycle"] = shelf.notebooks.config(OnStart="echo hello\n")


def _room_for_a_notebook(shelf: Shelf, names: dict[str, str]) -> None:
    """What the command makes is looked at, unless something is already; it is deleted at the end."""
    shelf.notebooks.names.append(names["new"])
    shelf.names.setdefault("notebook", names["new"])


def _notebook(shelf: Shelf, names: dict[str, str]) -> None:
    """The one notebook instance that is looked at, in service."""
    if "notebook" not in shelf.names:
        shelf.names["notebook"] = shelf.notebooks.create()
    names["notebook"] = shelf.names["notebook"]
    shelf.notebooks.wait(names["notebook"])


def _own_notebook(shelf: Shelf, names: dict[str, str]) -> None:
    """From now on it is no more looked at, but stopped."""
    _notebook(shelf, names)
    shelf.names["stopped notebook"] = shelf.names.pop("notebook")


def _stopped_notebook(shelf: Shelf, names: dict[str, str]) -> None:
    """An instance that a command has stopped before, else one that is stopped here."""
    if "stopped notebook" not in shelf.names:
        _own_notebook(shelf, names)
        shelf.notebooks.act("stop", names["notebook"])
    names["notebook"] = shelf.names["stopped notebook"]
    shelf.notebooks.wait(names["notebook"])


def _doomed_notebook(shelf: Shelf, names: dict[str, str]) -> None:
    _stopped_notebook(shelf, names)
    shelf.notebooks.names.remove(shelf.names.pop("stopped notebook"))


def _object(shelf: Shelf, names: dict[str, str]) -> None:
    shelf.jobs.put(f"{names['new']}/one.txt", b"one")
    shelf.jobs.put(f"{names['new']}/two.txt", b"two")


def _bucket(shelf: Shelf, names: dict[str, str]) -> None:
    shelf.jobs.s3.create_bucket(Bucket=names["new"])
    shelf.jobs.s3.put_object(Bucket=names["new"], Key="left.txt", Body=b"left")


MAKERS: dict[str, Callable[[Shelf, dict[str, str]], None]] = {
    "running": _running,
    "ended": _doomed_job,
    "training request": _training_request,
    "processing request": _processing_request,
    "ended processing": _ended_processing,
    "running processing": _running_processing,
    "tuning request": _tuning_request,
    "tuning": _tuning,
    "spare model": _spare_model,
    "spare config": _spare_config,
    "spare endpoint": _spare_endpoint,
    "doomed endpoint": _doomed_endpoint,
    "gone endpoint": _gone_endpoint,
    "transform": _transform,
    "compilation": _compilation,
    "doomed compilation": _doomed_compilation,
    "lifecycle": _lifecycle,
    "room for a notebook": _room_for_a_notebook,
    "notebook": _notebook,
    "own notebook": _own_notebook,
    "stopped notebook": _stopped_notebook,
    "doomed notebook": _doomed_notebook,
    "object": _object,
    "bucket": _bucket,
}
