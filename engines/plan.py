"""The values of a plan: what a model and a wish ask for, the way that was chosen, and what it is expected to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


class Keep(StrEnum):
    """How the weights are held while the model works."""

    WHOLE = "whole"  # everything on the device, all the time
    PARTS = (
        "parts"  # the text encoders, then the denoiser: what has done its work makes room (diffusers: model offload)
    )
    STREAM = "stream"  # layer by layer from main memory while the layer before computes (diffusers: group offload)
    DISK = "disk"  # layer by layer from the file, which the system keeps in memory as far as there is room


@dataclass(frozen=True)
class PartSize:
    """A part by its header: numbers in it, bytes in the file, and numbers in its largest tensor.

    `stored` is the dtype of nearly all of it ("float16"), or "" when it is quantised or mixed; `quantised` parts stay as
    small in memory as they are in the file.
    """

    parameters: int
    stored_bytes: int
    largest: int
    stored: str = ""
    quantised: bool = False

    def bytes_in(self, dtype: str) -> int:
        """Bytes in memory when it is held in `dtype`."""
        return self.stored_bytes if self.quantised else self.parameters * BYTES[dtype]


@dataclass(frozen=True)
class ModelSizes:
    """A model's parts that have weights, by name; which of them draw, which decode, all others read words or pictures.

    `decoder_width` are the channels that an image decoder has at the size of the picture; 0 when the headers do not say.
    """

    parts: Mapping[str, PartSize]
    denoisers: tuple[str, ...]
    decoders: tuple[str, ...] = ("vae",)
    mappable: bool = False  # whether every tensor can be used where it lies in its file
    decoder_width: int = 0

    def group(self, name: str) -> tuple[str, ...]:
        """Names of the "denoisers", the "decoders" or the "encoders" (everything else)."""
        if name == "encoders":
            return tuple(each for each in self.parts if each not in (*self.denoisers, *self.decoders))
        return tuple(each for each in getattr(self, name) if each in self.parts)


@dataclass(frozen=True)
class Demand:
    """What a request asks for, as far as memory and time go: pixels a side, frames, pictures together, passes of a step.

    `guides` are the numbers in what stays beside the model (ControlNets, IP-Adapters, LoRAs, another VAE), `eyes` those
    in a picture encoder, which goes when it has looked; `graphs` are how often an accelerator holds the denoiser once more.
    `steps` are all steps of one picture, `share` the part of their work that is done at best and `sure_share` at worst, where
    that depends on what the steps give; `swappable` is false for a wish whose parts cannot come and go (LoRAs and accelerators
    are put into a part once and would be lost with it).
    """

    width: int
    height: int
    frames: int = 1
    batch: int = 1
    passes: int = 1
    steps: int = 1
    count: int = 1
    swappable: bool = True
    share: float = 1.0
    sure_share: float = 1.0
    guides: int = 0
    eyes: int = 0
    graphs: int = 0

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.width * self.height


@dataclass(frozen=True)
class Way:
    """One way to run a model: how its weights are held, whether the decoder works in tiles, pictures at a time."""

    keep: Keep
    tiled: bool
    batch: int = 1


@dataclass(frozen=True)
class StagePeak:
    """Expected peak of one stage in bytes: on the device, and in main memory where the device is a card."""

    stage: str
    device: int
    main: int = 0


@dataclass(frozen=True)
class Placement:
    """Device, and the dtype of each part by name ("float32", "float16", "bfloat16"); `dtype` is for parts not named."""

    device: str
    dtype: str
    parts: dict[str, str] = field(default_factory=dict)
    tile_decode: bool = False
    keep: Keep = Keep.WHOLE

    def torch_dtype(self, part: str) -> Any:
        """The part's torch dtype."""
        import torch

        return getattr(torch, self.parts.get(part, self.dtype))

    @property
    def fingerprint(self) -> str:
        """Changes exactly when the model has to be loaded again."""
        return f"{self.device}:{self.dtype}:{sorted(self.parts.items())}:{self.keep}"


@dataclass(frozen=True)
class Plan:
    """What was decided and why. `rung` is the number of the way's place on the ladder, 0 the quickest.

    `budget` are bytes that may be used on the device, `main_budget` in main memory where the device is a card. When `fits` is
    false the plan is the most frugal one, and still takes more than there is. `reasons` are sentences. `keeps_pages` says that
    there is room for what `engines.pages.pages_kept` takes; the stages count it then.
    """

    placement: Placement
    way: Way
    stages: tuple[StagePeak, ...]
    budget: int
    main_budget: int
    fits: bool
    rung: int
    reasons: tuple[str, ...]
    demand: Demand
    keeps_pages: bool = False

    @property
    def peak(self) -> int:
        """The highest expected peak on the device."""
        return max(each.device for each in self.stages)

    @property
    def main_peak(self) -> int:
        """The highest expected peak in main memory; the device's own when the device is the processor."""
        return max(each.main for each in self.stages) or self.peak
