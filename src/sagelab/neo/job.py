"""One compilation, from an unpacked archive to a checked artifact; it prints what it does, for the job's log."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagelab.neo import check, compiler, emulator, room, runtime, shapes, sources
from sagelab.neo.compiler import Cpu
from sagelab.neo.program import Arrays, Program
from sagelab.neo.runtime import MANIFEST, Code, Manifest
from sagelab.neo.shapes import Shape

CODE = "compiled.vmfb"
RANDOM_INPUTS = 5
EMULATED_INPUTS = 2  # each is a process of its own
SHIM = "runtime.py"

# What stands in on this machine for a processor with instructions that it lacks, best first.
# Levels of the x86-64 psABI, https://gitlab.com/x86-psABIs/x86-64-ABI: each with the sets that LLVM then uses.
STANDINS = (
    Cpu("x86_64-linux-gnu", "x86-64-v3", needs=("avx2", "bmi2", "f16c", "fma", "movbe")),
    Cpu("x86_64-linux-gnu", "x86-64-v2", needs=("popcnt", "sse4_1", "sse4_2", "ssse3")),
)


@dataclass(frozen=True)
class Request:
    """What to compile. config: DataInputConfig as name -> shape; None: the model's own. family: of instances,
    which the artifact may be deployed on. cache: where the emulator's runtime may be."""

    framework: str
    target: str
    cpu: Cpu
    config: Mapping[str, Shape] | None = None
    family: str | None = None
    signature: str | None = None
    cache: Path | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Request:
        cpu = fields["cpu"]
        made = Cpu(cpu["triple"], cpu["cpu"], tuple(cpu["features"]), tuple(cpu["needs"]))
        config = fields.get("data_input_config")
        return cls(
            framework=fields["framework"],
            target=fields["target"],
            cpu=made,
            config=None if config is None else shapes.read(config),
            family=fields.get("family"),
            signature=fields.get("signature"),
            cache=Path(fields["cache"]) if fields.get("cache") else None,
        )


def compile_archive(folder: Path, out: Path, request: Request) -> Manifest:
    """Compile the model in `folder` into the folder `out`. NeoError: why there is none; then `out` is empty."""
    start = time.perf_counter()
    source = sources.find(folder, request.framework)
    print(f"Found {source.file.relative_to(folder)} ({request.framework})", flush=True)
    room.check(source.size())
    program = source.read(request.config, request.signature)
    print(f"Inputs: {_list(program.inputs)}. Outputs: {_list(program.outputs)}", flush=True)
    origin = {"framework": request.framework, "file": str(source.file.relative_to(folder))}
    try:
        manifest = build(program, out, request, origin | {"checksum": source.checksum()})
    except BaseException:
        _empty(out)
        raise
    manifest = replace(manifest, seconds=round(time.perf_counter() - start, 2))
    (out / MANIFEST).write_text(manifest.to_json())
    print(f"Compiled for {request.target} in {manifest.seconds} s", flush=True)
    return manifest


def build(program: Program, out: Path, request: Request, origin: Mapping[str, str]) -> Manifest:
    """Machine code, manifest and runtime of one Program in the folder `out`, compared with the original."""
    out.mkdir(parents=True, exist_ok=True)
    mlir = out / "model.mlir"
    program.write(mlir)
    codes = [_compile(program, mlir, out, cpu) for cpu in _cpus(request)]
    mlir.unlink()
    shutil.copyfile(str(runtime.__file__), out / SHIM)
    manifest = Manifest(
        target=request.target,
        triple=request.cpu.triple,
        cpu=request.cpu.cpu,
        compiler=compiler.version(),
        entry=program.entry,
        codes=tuple(codes),
        inputs=program.inputs,
        outputs=program.outputs,
        batched=program.batch is not None,
        family=request.family,
        source=origin,
    )
    (out / MANIFEST).write_text(manifest.to_json())
    manifest = replace(manifest, check=_check(program, out, manifest, request))
    (out / MANIFEST).write_text(manifest.to_json())
    return manifest


def _cpus(request: Request) -> list[Cpu]:
    """The target's, and where this machine cannot run that, an ordinary one of the same architecture beside it."""
    here, cpu = runtime.cpu_features(), request.cpu
    if not cpu.triple.startswith("x86_64") or set(cpu.needs) <= here:
        return [cpu]
    standin = next((one for one in STANDINS if set(one.needs) <= here and set(one.needs) < set(cpu.needs)), None)
    return [cpu, replace(standin, triple=cpu.triple)] if standin else [cpu]


def _compile(program: Program, mlir: Path, out: Path, cpu: Cpu) -> Code:
    file = CODE if not (out / CODE).exists() else CODE.replace(".", f".{cpu.cpu}.")
    start = time.perf_counter()
    compiler.compile_mlir(mlir, out / file, cpu, program.dialect)
    size = (out / file).stat().st_size
    words = f"Machine code for {cpu.cpu}{' '.join(['', *cpu.features])}: {size / 1e6:.1f} MB, {file}"
    print(f"{words} ({time.perf_counter() - start:.1f} s)", flush=True)
    return Code(file, cpu.cpu, cpu.needs, program.batch)


def _check(program: Program, out: Path, manifest: Manifest, request: Request) -> dict[str, Any]:
    """How the artifact was compared with the original, and the largest difference."""
    run, how, count = _runner(out, manifest, request)
    if run is None:
        print(f"Not checked: {how}", flush=True)
        return {"how": f"not checked: {how}"}
    found = check.compare(program, run, count)
    print(f"Checked {how}: {count} random inputs, largest difference to the original {found:.1g}", flush=True)
    return {"how": how, "inputs": count, "difference": found, "tolerance": check.TOLERANCE}


def _runner(out: Path, manifest: Manifest, request: Request) -> tuple[Callable[[Arrays], Arrays] | None, str, int]:
    arch = request.cpu.triple.partition("-")[0]
    if arch in ("", runtime_arch()):
        return _native(out, manifest, request)
    if arch == "aarch64":
        try:
            found = emulator.find(request.cache or Path())
        except emulator.NoEmulator as error:
            return None, str(error), 0
        return lambda arrays: found.run(out, manifest, arrays), "under emulation (qemu-aarch64)", EMULATED_INPUTS
    return None, f"code for {arch} cannot run on this machine", 0


def _native(out: Path, manifest: Manifest, request: Request) -> tuple[Callable[[Arrays], Arrays] | None, str, int]:
    try:
        loaded = runtime.load(out, threads=1)
    except runtime.BadArtifact as error:
        return None, str(error), 0
    ran = runtime.choose(manifest, runtime.cpu_features())[0].cpu
    how = "on this processor"
    if ran != request.cpu.cpu:
        lacking = ", ".join(sorted(set(request.cpu.needs) - runtime.cpu_features()))
        how = f"on this processor, which lacks {lacking}, by the code for {ran}"
    return loaded.run, how, RANDOM_INPUTS


def runtime_arch() -> str:
    import platform

    return {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


def _list(tensors: tuple[runtime.Tensor, ...]) -> str:
    return ", ".join(str(tensor) for tensor in tensors)


def _empty(folder: Path) -> None:
    for file in folder.iterdir() if folder.is_dir() else ():
        file.unlink()
