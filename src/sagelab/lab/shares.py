"""File systems in a lab's private network that training jobs mount: EFS and FSx for Lustre.

Shows the calls that it makes. Everything carries the lab's tag, by which elsewhere.py finds and removes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sagelab.lab import watch
from sagelab.lab.calls import write_call

if TYPE_CHECKING:
    from sagemaker.core.shapes import FileSystemDataSource

    from sagelab.lab.figures import Picture as Figure
    from sagelab.lab.session import Lab

SMALLEST = 1200  # GiB of FSx for Lustre
READY = "available"
JOBS, HALF = {"first job": "#9aa5b1", "second job": "#1f77b4"}, 0.18  # and half of a bar's height
MARK = "first step at "  # in the log of a job: seconds since 1970 follow


def lustre(lab: Lab, network: Mapping[str, Any], uri: str) -> FileSystemDataSource:
    """An FSx for Lustre file system that stands before a prefix of S3, as a channel's source; waits for it.

    network: a job's VpcConfig. An object is fetched when a job first reads it, and stays.
    """
    fsx = lab.client("fsx")
    settings = {"DeploymentType": "SCRATCH_2", "ImportPath": uri}
    request = {"FileSystemType": "LUSTRE", "StorageCapacity": SMALLEST, "LustreConfiguration": settings}
    request |= {"SubnetIds": network["Subnets"][:1], "SecurityGroupIds": network["SecurityGroupIds"]}
    print(write_call('lab.client("fsx").create_file_system', request))
    name = fsx.create_file_system(**request, Tags=lab.tags)["FileSystem"]["FileSystemId"]

    def look() -> dict[str, Any]:
        found: dict[str, Any] = fsx.describe_file_systems(FileSystemIds=[name])["FileSystems"][0]
        return found

    ready = watch.until(lab, look, lambda found: found["Lifecycle"] != "CREATING")
    if ready["Lifecycle"] != "AVAILABLE":
        raise RuntimeError(f"{name} is {ready['Lifecycle']}: {ready.get('FailureDetails', {}).get('Message', '')}")
    return _source("FSxLustre", name, f"/{ready['LustreConfiguration']['MountName']}", "ro")


def efs(lab: Lab, network: Mapping[str, Any]) -> FileSystemDataSource:
    """An empty EFS file system with a mount target in each subnet, as a channel's source that is written to."""
    client = lab.client("efs")
    request = {"CreationToken": lab.fresh_name("efs"), "PerformanceMode": "generalPurpose"}
    print(write_call('lab.client("efs").create_file_system', request))
    name = client.create_file_system(**request, Tags=lab.tags)["FileSystemId"]
    watch.until(lab, partial(_efs, lab, name), lambda found: found["LifeCycleState"] == READY)
    for subnet in network["Subnets"]:
        target = {"FileSystemId": name, "SubnetId": subnet, "SecurityGroups": network["SecurityGroupIds"]}
        print(write_call('lab.client("efs").create_mount_target', target))
        client.create_mount_target(**target)
    watch.until(lab, partial(_targets, lab, name), _are_ready)
    return _source("EFS", name, "/", "rw")


def read_only(source: FileSystemDataSource) -> FileSystemDataSource:
    """The same file system, to be read."""
    return _source(source.file_system_type, source.file_system_id, source.directory_path, "ro")


def first_step(lab: Lab, job: str) -> float:
    """Seconds from the start of a training job's instances until its log says that it took its first step."""
    log = watch.log(lab, job)
    if MARK not in log:
        raise RuntimeError(f"The log of {job} tells of no first step.")
    found = lab.client("sagemaker").describe_training_job(TrainingJobName=job)
    return float(log.partition(MARK)[2].split()[0]) - float(found["TrainingStartTime"].timestamp())


def show_first_steps(steps: Mapping[str, Sequence[float]]) -> Figure:
    """A row a way in: how long its first job and its second waited for the first step."""
    from sagelab.lab.pictures import open_figure

    told = "; ".join(f"{way} {', then '.join(f'{each:.2f}' for each in found)} s" for way, found in steps.items())
    figure, axes = open_figure(f"Seconds to the first step: {told}.", (7.5, 0.55 * len(steps) + 1))
    axis = axes[0, 0]
    for number, (label, colour) in enumerate(JOBS.items()):
        places = [row + HALF * (2 * number - 1) for row in range(len(steps))]
        seconds = [found[number] for found in steps.values()]
        bars = axis.barh(places, seconds, 2 * HALF, color=colour, label=label)
        axis.bar_label(bars, [f"{each:.2f}" for each in seconds], padding=3, fontsize=9)
    axis.set_yticks(range(len(steps)), list(steps))
    axis.set(xlabel="seconds until the job had read its first file", ylim=(len(steps) - 0.5, -0.5))
    axis.grid(visible=False, axis="y")
    axis.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _source(kind: str, name: str, path: str, mode: str) -> FileSystemDataSource:
    from sagemaker.core.shapes import FileSystemDataSource

    given = {"file_system_id": name, "file_system_type": kind}
    return FileSystemDataSource(**given, directory_path=path, file_system_access_mode=mode)


def _efs(lab: Lab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.client("efs").describe_file_systems(FileSystemId=name)["FileSystems"][0]
    return found


def _targets(lab: Lab, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.client("efs").describe_mount_targets(FileSystemId=name)["MountTargets"]
    return found


def _are_ready(found: list[dict[str, Any]]) -> bool:
    return all(each["LifeCycleState"] == READY for each in found)
