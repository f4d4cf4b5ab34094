from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from sagelab.cloud.engine.compilation import options, targets

MODEL = botocore.session.get_session().get_service_model("sagemaker")
DEVICES = MODEL.shape_for("TargetDevice").enum
PLATFORMS = [
    {"Os": system, "Arch": arch}
    for system in MODEL.shape_for("TargetPlatformOs").enum
    for arch in MODEL.shape_for("TargetPlatformArch").enum
]
EVERY: list[dict[str, Any]] = [{"TargetDevice": name} for name in DEVICES] + [
    {"TargetPlatform": platform} for platform in PLATFORMS
]


@pytest.mark.parametrize("output", EVERY, ids=targets.name_of)
def test_every_target_of_the_api_is_compiled_for_or_refused_by_name(output: dict[str, Any]) -> None:
    name = targets.name_of(output)
    assert (name in targets.KNOWN) != (name in targets.REFUSALS)
    if name in targets.KNOWN:
        target = targets.find(output)
        assert target.source.startswith("https://")
        assert (target.family == name.replace("ml_", "ml.")) == name.startswith("ml_")
    else:
        with pytest.raises(targets.Refused, match=f"^{name} .* It compiles for: ml_m4, "):
            targets.find(output)


@pytest.mark.parametrize("accelerator", MODEL.shape_for("TargetPlatformAccelerator").enum)
def test_an_accelerator_is_said_not_to_be_used(accelerator: str) -> None:
    target = targets.find({"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64", "Accelerator": accelerator}})
    assert target.name == f"LINUX_ARM64_{accelerator}"
    assert f"the accelerator {accelerator} is not used" in target.note


def test_the_document_has_every_target() -> None:
    document = Path(__file__).parents[4] / "docs" / "compiler.md"
    assert targets.table() in document.read_text()


def test_options_choose_another_processor() -> None:
    platform = targets.find({"TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}})
    found = options.read('{"mcpu": "skylake-avx512", "mattr": ["+sse4.2", "-avx512vl"]}', platform, "KERAS")
    assert found.target.cpu.cpu == "skylake-avx512"
    assert found.target.cpu.features == ("+sse4.2", "-avx512vl")
    assert "avx512f" in found.target.cpu.needs
    assert "avx512vl" not in found.target.cpu.needs


def test_options_of_a_gpu_are_noted() -> None:
    jetson = targets.find({"TargetDevice": "jetson_xavier"})
    text = json.dumps({"gpu-code": "sm_72", "trt-ver": "6.0.1", "cuda-ver": "10.1"})
    assert [note.partition(":")[0] for note in options.read(text, jetson, "KERAS").notes] == [
        "CompilerOptions.gpu-code",
        "CompilerOptions.trt-ver",
        "CompilerOptions.cuda-ver",
    ]


BAD = {
    "not JSON": ("{'mcpu': 'haswell'}", "is not JSON"),
    "no dictionary": ('"--verbose 1"', "must be a dictionary"),
    "unknown": ('{"speed": 9}', "speed is not known"),
    "processor": ('{"mcpu": "m68k"}', "the processor 'm68k' is not known for ml_c5; known are x86-64"),
    "another architecture": ('{"mcpu": "cortex-a72"}', "not known for ml_c5"),
    "attributes": ('{"mattr": "+avx2"}', "mattr is a list"),
    "a flag": ('{"mattr": ["+avx2 --x"]}', "mattr is a list"),
    "types": ('{"dtype": "int64"}', "dtype 'int64' is for PyTorch"),
    "signature": ('{"signature_def_key": "x"}', "is for TENSORFLOW"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_options_that_cannot_be_honoured_are_refused(text: str, words: str) -> None:
    with pytest.raises(options.BadOptions, match=words):
        options.read(text, targets.find({"TargetDevice": "ml_c5"}), "KERAS")
