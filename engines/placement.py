"""Which part of a model goes where, and in which number format: a pure decision over facts about the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engines.family import EngineFamily
from engines.records import ModelRecord


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
    """Ask torch and the system. Imports torch: call it in the worker."""
    import psutil
    import torch

    if torch.cuda.is_available():
        free, _total = torch.cuda.mem_get_info()
        return MachineFacts("cuda", free, torch.cuda.is_bf16_supported(), torch.cuda.get_device_name())
    return MachineFacts("cpu", psutil.virtual_memory().available, False, "processor")
