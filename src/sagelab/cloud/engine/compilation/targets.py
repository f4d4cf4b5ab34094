"""What every TargetDevice and TargetPlatform of the API stands for here: a processor to compile for, or a refusal.

Machine code is made for processors alone. Where a device has an accelerator beside one, the code leaves it
unused, and the job's log says so; a device that is nothing without its accelerator is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagelab.neo.compiler import Cpu

EC2 = "https://aws.amazon.com/ec2/instance-types/"
EDGE = "https://docs.aws.amazon.com/sagemaker/latest/dg/neo-supported-devices-edge-devices.html"
CLOUD = "https://docs.aws.amazon.com/sagemaker/latest/dg/neo-supported-cloud.html"
JETSON = "https://developer.nvidia.com/embedded/jetson-modules"
LINUX_X86, LINUX_ARM = "x86_64-linux-gnu", "aarch64-linux-gnu"

# LLVM's names of processors, and what code for them may need, by the names of /proc/cpuinfo.
# https://github.com/llvm/llvm-project/tree/main/llvm/lib/TargetParser
V2 = ("popcnt", "sse4_1", "sse4_2", "ssse3")
V3 = (*V2, "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe")
V4 = (*V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
ARM8_2 = ("asimd", "asimddp", "asimdhp", "atomics", "fphp")
X86_CPUS = {
    "x86-64": (),
    "x86-64-v2": V2,
    "goldmont": (*V2, "movbe", "sha_ni"),
    "x86-64-v3": V3,
    "haswell": V3,
    "core-avx2": V3,
    "broadwell": (*V3, "adx"),
    "znver3": (*V3, "adx", "sha_ni", "vaes"),
    "x86-64-v4": V4,
    "skylake-avx512": V4,
    "cascadelake": (*V4, "avx512_vnni"),
}
ARM_CPUS = {
    "generic": ("asimd",),
    "cortex-a53": ("asimd",),
    "cortex-a57": ("asimd",),
    "cortex-a72": ("asimd",),
    "carmel": ("asimd", "asimdhp", "atomics", "fphp"),
    "cortex-a55": ARM8_2,
    "cortex-a76": ARM8_2,
    "neoverse-n1": ARM8_2,
}


@dataclass(frozen=True)
class Target:
    """One thing to compile for. family: of instances that the artifact may be deployed on; None: no instance.

    note: what of the device is not used, for the job's log. source: where the processor is documented.
    """

    name: str
    cpu: Cpu
    source: str
    family: str | None = None
    note: str = ""


class Refused(Exception):
    """Nothing is compiled for this target; `str()` says why and what is possible."""


def _x86(cpu: str, triple: str = LINUX_X86) -> Cpu:
    return Cpu(triple, cpu, needs=X86_CPUS[cpu])


def _arm(cpu: str, triple: str = LINUX_ARM) -> Cpu:
    return Cpu(triple, cpu, needs=ARM_CPUS[cpu])


def _unused(what: str) -> str:
    return f"the code is for the processor; {what} is not used"


TARGETS: tuple[Target, ...] = (
    # Instances. m4: Broadwell or Haswell, c4: Haswell, m5 and c5: Skylake-SP or newer, m6g and c6g: Graviton2.
    Target("ml_m4", _x86("haswell"), f"{EC2}m4/", "ml.m4"),
    Target("ml_m5", _x86("skylake-avx512"), f"{EC2}m5/", "ml.m5"),
    Target("ml_m6g", _arm("neoverse-n1"), f"{EC2}m6g/", "ml.m6g"),
    Target("ml_c4", _x86("haswell"), f"{EC2}c4/", "ml.c4"),
    Target("ml_c5", _x86("skylake-avx512"), f"{EC2}c5/", "ml.c5"),
    Target("ml_c6g", _arm("neoverse-n1"), f"{EC2}c6g/", "ml.c6g"),
    # AVX2 is on every processor that runs Lambda functions.
    Target("lambda", _x86("haswell"), "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-avx2.html"),
    # Devices with 64-bit processors.
    Target("jetson_nano", _arm("cortex-a57"), JETSON, note=_unused("the Maxwell GPU")),
    Target("jetson_tx1", _arm("cortex-a57"), JETSON, note=_unused("the Maxwell GPU")),
    Target("jetson_tx2", _arm("cortex-a57"), JETSON, note=_unused("the Pascal GPU")),
    Target("jetson_xavier", _arm("carmel"), JETSON, note=_unused("the Volta GPU")),
    Target(
        "rasp3b",
        _arm("cortex-a53"),
        "https://www.raspberrypi.com/documentation/computers/processors.html",
        note="the code is for a 64-bit system; AWS makes it for the 32-bit one",
    ),
    Target(
        "rasp4b",
        _arm("cortex-a72"),
        "https://www.raspberrypi.com/documentation/computers/processors.html",
        note="the code is for a 64-bit system; AWS makes it for the 32-bit one",
    ),
    Target("imx8qm", _arm("cortex-a53"), EDGE),
    Target("imx8mplus", _arm("cortex-a53"), EDGE, note=_unused("the NPU")),
    Target(
        "jacinto_tda4vm", _arm("cortex-a72"), "https://www.ti.com/product/TDA4VM", note=_unused("the accelerator")
    ),
    Target("rk3399", _arm("cortex-a53"), EDGE, note=_unused("the Mali GPU")),
    Target("aisage", _arm("generic"), EDGE, note=_unused("the Mali GPU")),
    Target("qcs603", _arm("cortex-a55", "aarch64-linux-android"), EDGE, note=_unused("the GPU")),
    Target("qcs605", _arm("cortex-a55", "aarch64-linux-android"), EDGE, note=_unused("the GPU")),
    Target(
        "deeplens",
        _x86("goldmont"),
        "https://docs.aws.amazon.com/deeplens/latest/dg/deeplens-hardware.html",
        note=_unused("the Intel GPU"),
    ),
    Target("sbe_c", _x86("core-avx2"), EDGE),
    Target("x86_win64", _x86("x86-64"), EDGE),
    # Platforms: an ordinary processor of the architecture; CompilerOptions name a better one.
    Target("LINUX_X86_64", _x86("x86-64"), EDGE),
    Target("LINUX_ARM64", _arm("generic"), EDGE),
    Target("ANDROID_ARM64", _arm("generic", "aarch64-linux-android"), EDGE),
    Target("ANDROID_X86_64", _x86("x86-64", "x86_64-linux-android"), EDGE),
)
KNOWN = {target.name: target for target in TARGETS}

GPU = "is made of a GPU, and the local cloud compiles for processors only"
CHIP = "is a chip of its own with a compiler of its own (AWS Neuron), which needs AWS"
BITS = "has a 32-bit processor, for which there is no runtime package to run the code with"
CVFLOW = "needs Ambarella's own tools for its CVflow chip"
REFUSALS = {
    "ml_p2": GPU,
    "ml_p3": GPU,
    "ml_g4dn": GPU,
    "ml_inf1": CHIP,
    "ml_inf2": CHIP,
    "ml_trn1": CHIP,
    "ml_eia2": "is Elastic Inference, which has ended",
    "amba_cv2": CVFLOW,
    "amba_cv22": CVFLOW,
    "amba_cv25": CVFLOW,
    "coreml": "is Apple's format of models, which Apple's tools make",
    "rk3288": BITS,
    "sitara_am57x": BITS,
    "x86_win32": BITS,
    "LINUX_X86": BITS,
    "LINUX_ARM_EABI": BITS,
    "LINUX_ARM_EABIHF": BITS,
    "ANDROID_X86": BITS,
    "ANDROID_ARM_EABI": BITS,
    "ANDROID_ARM_EABIHF": BITS,
}


def name_of(output: dict[str, Any]) -> str:
    """The target of an OutputConfig as one word: "ml_c5", "LINUX_ARM64_NVIDIA". It names the artifact, too."""
    if "TargetDevice" in output:
        return str(output["TargetDevice"])
    platform = output["TargetPlatform"]
    return "_".join(platform[part] for part in ("Os", "Arch", "Accelerator") if part in platform)


def find(output: dict[str, Any]) -> Target:
    """The target of an OutputConfig. Refused: nothing is compiled for it."""
    name, accelerator = name_of(output), output.get("TargetPlatform", {}).get("Accelerator")
    known = KNOWN.get(name.removesuffix(f"_{accelerator}"))
    if known is None:
        why = REFUSALS.get(name.removesuffix(f"_{accelerator}"), "is not known here")
        raise Refused(f"{name} {why}. It compiles for: {', '.join(KNOWN)}.")
    note = _unused(f"the accelerator {accelerator}") if accelerator else known.note
    return Target(name, known.cpu, known.source, known.family, note)


def table() -> str:
    """The rows of docs/compiler.md: target, processor, architecture, what is not used or why it is refused."""
    known = [
        f"| `{one.name}` | [{one.cpu.cpu}]({one.source}) | {one.cpu.triple} | {one.note} |" for one in TARGETS
    ]
    return "\n".join(known + [f"| `{name}` | refused | | {why} |" for name, why in REFUSALS.items()])
