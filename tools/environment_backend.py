"""Which build of torch this computer wants, and why. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TORCH = "2.13.0"
# PyTorch's own indexes hold the builds for one backend; without them a processor would get gigabytes for a card.
# The numbers are those that PyTorch published 2.13.0 for.
TORCH_INDEX = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cuda": "https://download.pytorch.org/whl/cu130",
    "rocm": "https://download.pytorch.org/whl/rocm7.2",
}
# How the local part of a build's version begins: torch-2.13.0+cu130-…
TORCH_LABEL = {"cpu": "cpu", "cuda": "cu1", "rocm": "rocm"}
DISK_GB = {"cpu": 3, "cuda": 12, "rocm": 20}  # environment and download caches; the processor's is measured
VARIABLE = "EASEL_BACKEND"


class UnknownBackend(ValueError):
    """EASEL_BACKEND holds something else than the name of a backend."""


def choose_backend(before: str = "") -> tuple[str, str]:
    """The backend and the reason, in words; `before` is the one that the environment was made for.

    An environment keeps its backend until EASEL_BACKEND says otherwise: a driver that is missing for a day must not
    cost gigabytes. Raises `UnknownBackend`.
    """
    if chosen := os.environ.get(VARIABLE, "").strip().lower():
        if chosen not in TORCH_INDEX:
            raise UnknownBackend(chosen)
        return chosen, f"{VARIABLE} says so"
    found, why = detect_backend()
    if before in TORCH_INDEX and before != found:
        return before, f"the environment was made for it (now {why}; {VARIABLE}={found} would change it)"
    return found, why


def detect_backend() -> tuple[str, str]:
    """The backend that the computer's drivers suggest, and which sign it was."""
    if name := _first_line(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]):
        return "cuda", f"nvidia-smi found {name}"
    if sys.platform == "linux":
        if shutil.which("rocminfo"):
            return "rocm", "rocminfo is installed"
        if Path("/opt/rocm").is_dir():
            return "rocm", "/opt/rocm is there"
    return "cpu", "no NVIDIA or ROCm driver was found"


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().split("\n")[0]
