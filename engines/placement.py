"""Which part of a model goes where, and in which number format: a pure decision over facts about the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.errors import ResourceError
from engines.family import EngineFamily
from engines.records import ModelRecord

DEVICE_VARIABLE = "EASEL_DEVICE"


@dataclass(frozen=True)
class MachineFacts:
    """What the decision rests on: the device, its free memory in bytes, and whether it multiplies bfloat16 natively."""

    device: str
    free_memory: int
    bfloat16: bool
    name: str = ""


@dataclass(frozen=True)
class Placement:
    """Device, and the dtype of each part by name ("float32", "float16", "bfloat16"); `dtype` is for parts not named."""

    device: str
    dtype: str
    parts: dict[str, str] = field(default_factory=dict)
    tile_decode: bool = False

    def torch_dtype(self, part: str) -> Any:
        """The part's torch dtype."""
        import torch

        return getattr(torch, self.parts.get(part, self.dtype))

    @property
    def fingerprint(self) -> str:
        """Changes exactly when the model has to be loaded again."""
        return f"{self.device}:{self.dtype}:{sorted(self.parts.items())}"


def decide_placement(facts: MachineFacts, record: ModelRecord, family: EngineFamily) -> Placement:
    """A processor computes in float32, a graphics card in 16 bits.

    A processor without bfloat16 instructions pays for it: one step took four times as long and one convolution 118 times
    (measured on AVX2, 2026-11). All parts share one dtype because the pipelines feed one part's output to the next as it
    is; a decoder that overflows in float16 is run again in float32 (see `engines.pipeline.decode`).
    """
    if facts.device == "cpu":
        return Placement("cpu", "float32")
    return Placement(facts.device, "bfloat16" if facts.bfloat16 else "float16")


def machine_facts() -> MachineFacts:
    """Ask torch and the system. Imports torch: call it in the worker.

    EASEL_DEVICE=cpu leaves the card alone. Raises `ResourceError("gpu-no-kernels")` where torch would fail at its first step.
    """
    import psutil
    import torch

    if os.environ.get(DEVICE_VARIABLE, "").lower() != "cpu" and torch.cuda.is_available():
        check_kernels(torch.cuda.get_device_name(), torch.cuda.get_device_capability(), torch.cuda.get_arch_list())
        free, _total = torch.cuda.mem_get_info()
        return MachineFacts("cuda", free, torch.cuda.is_bf16_supported(), torch.cuda.get_device_name())
    return MachineFacts("cpu", psutil.virtual_memory().available, False, "processor")


def check_kernels(name: str, capability: tuple[int, int], built_for: Sequence[str]) -> None:
    """Raise `ResourceError("gpu-no-kernels")` when torch has no program for the card: "no kernel image is available".

    `built_for` is torch's own list: ["sm_80", "sm_90", "compute_120"]. A program for 8.6 runs on 8.9 too, and one in the
    intermediate form (compute_120) is compiled for any newer card. AMD's names (gfx1100) are not looked at: torch refuses those
    cards by itself.
    """
    numbers = [
        (each.split("_")[0], int("".join(filter(str.isdigit, each.split("_")[1])))) for each in built_for if "_" in each
    ]
    card = capability[0] * 10 + capability[1]
    if not numbers or any(
        number <= card and (kind == "compute" or number // 10 == capability[0]) for kind, number in numbers
    ):
        return
    import torch

    known = ", ".join(f"{number // 10}.{number % 10}" for _kind, number in numbers)
    values = {"card": name, "capability": f"{capability[0]}.{capability[1]}", "torch": str(torch.__version__)}
    raise ResourceError("gpu-no-kernels", **values, known=known)
