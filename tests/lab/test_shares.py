from __future__ import annotations

from typing import Any

import pytest

from sagelab.lab import elsewhere, shares, vpc
from sagelab.lab.session import Lab


@pytest.fixture
def network(lab: Lab) -> Any:
    made = vpc.make(lab)
    yield made
    for _ in (*elsewhere.remove(lab), *vpc.remove(lab)):
        pass


def test_file_systems_are_made_and_all_of_them_go(
    lab: Lab, network: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/pictures/0", Body=b"0")
    other = lab.client("efs").create_file_system(CreationToken=lab.fresh_name("another's"))["FileSystemId"]
    lustre, efs = shares.lustre(lab, network, lab.uri("pictures")), shares.efs(lab, network)
    assert (lustre.file_system_type, lustre.file_system_access_mode) == ("FSxLustre", "ro")
    assert (efs.file_system_access_mode, shares.read_only(efs).file_system_access_mode) == ("rw", "ro")
    assert capsys.readouterr().out.count('lab.client("efs").create_mount_target(') == len(network["Subnets"])
    left = dict(elsewhere.left(lab))
    assert (left["Lustre"], left["EFS"]) == (lustre.file_system_id, efs.file_system_id)
    said = list(elsewhere.remove(lab))
    assert (len(said), list(elsewhere.left(lab))) == (2 + len(network["Subnets"]), [])
    assert lab.client("efs").describe_file_systems(FileSystemId=other)["FileSystems"]
    lab.client("efs").delete_file_system(FileSystemId=other)


def test_the_picture_says_in_words_what_it_shows() -> None:
    figure = shares.show_first_steps({"File": [1.5, 1.4], "EFS": [0.4, 0.3]})
    assert figure.alt == "Seconds to the first step: File 1.50, then 1.40 s; EFS 0.40, then 0.30 s."
    assert len(figure.axes[0].patches) == 4
