"""CompilerOptions: what of it changes the machine code here, what is only noted, and what is refused.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputConfig.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from sagelab.cloud.engine.compilation.targets import ARM_CPUS, X86_CPUS, Target

FLOATS = ("float", "float32")
ATTRIBUTE = re.compile(r"[+-][a-z0-9][a-z0-9.-]*")
# LLVM's names of instruction sets that are spelled otherwise in /proc/cpuinfo.
SPELLED = {
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "avx512vnni": "avx512_vnni",
    "neon": "asimd",
    "dotprod": "asimddp",
}
NOTED = {
    "gpu-code": "the GPU is not used",
    "gpu_code": "the GPU is not used",
    "trt-ver": "TensorRT is not used",
    "cuda-ver": "CUDA is not used",
    "JETPACK_VERSION": "no part of JetPack is used",
    "ANDROID_PLATFORM": "the code needs nothing of Android's API",
}
TAKEN = ("mcpu", "mattr", "dtype", "DTYPE", "signature_def_key")


class BadOptions(Exception):
    """The options cannot be honoured; `str()` says which and why."""


@dataclass(frozen=True)
class Options:
    """What CompilerOptions ask for. notes: a sentence for each thing that is taken and has no effect here."""

    target: Target
    signature: str | None = None
    notes: tuple[str, ...] = ()


def read(text: str | None, target: Target, framework: str) -> Options:
    """CompilerOptions for a target. BadOptions: they cannot be honoured."""
    given = _parse(text) if text else {}
    for name in given:
        if name not in TAKEN and name not in NOTED:
            raise BadOptions(
                f"CompilerOptions: {name} is not known. The local cloud takes {', '.join((*TAKEN, *NOTED))}."
            )
    dtype = given.get("dtype", given.get("DTYPE", "float32"))
    if dtype not in FLOATS:
        raise BadOptions(f"CompilerOptions: dtype {dtype!r} is for PyTorch; inputs have the model's own types.")
    signature = given.get("signature_def_key")
    if signature is not None and framework != "TENSORFLOW":
        raise BadOptions("CompilerOptions: signature_def_key is for TENSORFLOW models.")
    notes = tuple(f"CompilerOptions.{name}: {why}" for name, why in NOTED.items() if name in given)
    return Options(_aim(target, given), signature, notes)


def _parse(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        hint = 'Give it like {"mcpu": "skylake-avx512"}, with double quotes.'
        raise BadOptions(f"CompilerOptions {text!r} is not JSON. {hint}") from None
    if not isinstance(given, dict):
        raise BadOptions("CompilerOptions must be a dictionary; a list of flags is for ml_inf1, which is refused.")
    return given


def _aim(target: Target, given: dict[str, Any]) -> Target:
    """The target with another processor, or with instruction sets more or less."""
    cpu, known = target.cpu, X86_CPUS if target.cpu.triple.startswith("x86") else ARM_CPUS
    if "mcpu" in given:
        if given["mcpu"] not in known:
            raise BadOptions(
                f"CompilerOptions: the processor {given['mcpu']!r} is not known for {target.name}; known are"
                f" {', '.join(known)}."
            )
        cpu = replace(cpu, cpu=given["mcpu"], needs=known[given["mcpu"]])
    wanted = given.get("mattr", [])
    if not isinstance(wanted, list) or not all(
        isinstance(one, str) and ATTRIBUTE.fullmatch(one) for one in wanted
    ):
        raise BadOptions('CompilerOptions: mattr is a list of "+set" and "-set", like ["+avx2", "-fma"].')
    added = {SPELLED.get(one[1:], one[1:]) for one in wanted if one[0] == "+"}
    removed = {SPELLED.get(one[1:], one[1:]) for one in wanted if one[0] == "-"}
    needs = tuple(sorted((set(cpu.needs) | added) - removed))
    return replace(target, cpu=replace(cpu, features=tuple(wanted), needs=needs))
