"""Facts of this computer and this installation, gathered in under two seconds and without torch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ENGINE_PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "tokenizers")
OTHER_PACKAGES = ("pydantic", "pillow", "numpy", "typer", "platformdirs", "psutil")
GPU_SECONDS = 5.0  # nvidia-smi hangs when the driver does
GPU_QUERY = ("--query-gpu=name,memory.total,memory.free,driver_version,compute_cap", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """A graphics card as its driver names it; memory in MiB, `compute` its capability (8.6), 0 where the driver is too old."""

    name: str
    memory_total: int
    memory_free: int
    driver: str
    compute: float = 0.0


@dataclass(frozen=True)
class Memory:
    """Main memory in bytes."""

    total: int
    available: int


def package_version(name: str) -> str:
    """The version of an installed package, read from its metadata; empty when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def gpus() -> tuple[Gpu, ...]:
    """NVIDIA cards, empty when there are none. Raises `OSError` or `SubprocessError` when the driver fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    done = subprocess.run((program, *GPU_QUERY), capture_output=True, text=True, timeout=GPU_SECONDS, check=True)
    return tuple(gpu for line in done.stdout.splitlines() if (gpu := _gpu(line)) is not None)


def gpus_or_none() -> tuple[Gpu, ...]:
    """The cards, none when the driver does not answer: for a line of the window that must never fail."""
    try:
        return gpus()
    except (OSError, subprocess.SubprocessError):
        return ()


def _gpu(line: str) -> Gpu | None:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) not in (4, 5):
        return None
    total, free = (int(cell) if cell.isdigit() else 0 for cell in cells[1:3])
    capability = cells[4] if len(cells) == 5 else ""
    return Gpu(cells[0], total, free, cells[3], float(capability) if capability.replace(".", "", 1).isdigit() else 0.0)


def memory() -> Memory:
    """Main memory of this computer."""
    import psutil

    found = psutil.virtual_memory()
    return Memory(found.total, found.available)


def free_disk(folder: Path) -> int:
    """Free bytes where `folder` is, or where it would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def environment() -> dict[str, object]:
    """What a report says of the installation: versions and system, nothing that names a person."""
    packages = {name: package_version(name) or "missing" for name in ENGINE_PACKAGES + OTHER_PACKAGES}
    return {
        "easel": _easel_version(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "frozen": bool(getattr(sys, "frozen", False)),
        "encoding": sys.getfilesystemencoding(),
        "packages": packages,
        "variables": sorted(name for name in os.environ if name.startswith(("EASEL_", "HF_", "CUDA_", "OMP_"))),
    }


def _easel_version() -> str:
    from app import __version__

    return __version__
