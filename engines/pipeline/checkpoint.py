"""A half-done picture on disk: latents, generator and sampler state, enough to go on to the same bytes."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from engines.layout import strides_of, with_strides
from engines.types import GenerationRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """State after `calls` sampler calls of image `image`.

    `latents` is what the last call gave, shaped as the family's latents. `denoised` means that only the decode is left.
    `key` ties it to one request, model and set of versions. `part` is the pass that the calls are of, counted from 0, and
    `carried` what the passes before it gave: latents, or a whole picture. `tiled` says how the decode was planned when it was
    begun: memory may be another one when it goes on, and tiles give other pixels.
    """

    key: str
    image: int
    calls: int
    denoised: bool
    latents: torch.Tensor
    generator: torch.Tensor
    sampler_tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    sampler_values: dict[str, Any] = field(default_factory=dict)
    part: int = 0
    carried: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    tiled: bool = False

    def next_part(self, part: int, carried: torch.Tensor) -> Checkpoint:
        """The beginning of pass `part`, with what the passes before gave."""
        nothing = torch.empty(0)
        return Checkpoint(
            self.key, self.image, 0, False, nothing, nothing, part=part, carried=carried, tiled=self.tiled
        )

    def save(self, path: Path) -> None:
        """Write atomically, replacing the one before; a disk without room keeps that one, and the work goes on.

        Not synced to the disk: it guards against the death of a process, which the page cache survives, and syncing
        every few steps would cost more than the steps of a small model.
        """
        tensors = {f"sampler.{name}": tensor.contiguous() for name, tensor in self.sampler_tensors.items()}
        kept = {"latents": self.latents, "carried": self.carried}
        tensors |= {name: tensor.contiguous() for name, tensor in kept.items()} | {"generator": self.generator}
        state = {name: getattr(self, name) for name in ("key", "image", "calls", "denoised", "part", "tiled")}
        strides = {name: strides_of(tensor) for name, tensor in kept.items()}
        temporary = path.with_suffix(".tmp")
        metadata = {"state": state, "strides": strides, "sampler": self.sampler_values}
        try:
            save_file(tensors, temporary, {key: json.dumps(value) for key, value in metadata.items()})
            temporary.replace(path)
        except (OSError, SafetensorError):
            log.warning("no checkpoint after call %d", self.calls, exc_info=True)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, key: str, image: int, device: str) -> Checkpoint | None:
    """The checkpoint at `path` if it belongs to `key` and `image`; None, with a line in the log, when it does not."""
    if not path.is_file():
        return None
    try:
        found = _read(path, device)
    except (OSError, SafetensorError, KeyError, ValueError):
        log.warning("checkpoint unreadable, the picture starts anew path=%s", path.name, exc_info=True)
        return None
    if (found.key, found.image) != (key, image):
        log.info("checkpoint is for another picture, this one starts anew")
        return None
    return found


def resumed(path: Path, begun: Checkpoint, device: str) -> Checkpoint:
    """The checkpoint at `path` where it goes on with what `begun` begins; else `begun`. Decoded in tiles as it was begun,
    unless memory became less."""
    found = load_checkpoint(path, begun.key, begun.image, device)
    if found is None:
        return begun
    log.info("resume image=%d part=%d calls=%d denoised=%s", found.image, found.part, found.calls, found.denoised)
    return replace(found, tiled=found.tiled or begun.tiled)


def _read(path: Path, device: str) -> Checkpoint:
    with safe_open(path, framework="pt", device="cpu") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no iterator
    kept = {name: with_strides(tensors.pop(name), strides, device) for name, strides in metadata["strides"].items()}
    generator = tensors.pop("generator")
    sampler = {name.removeprefix("sampler."): tensor for name, tensor in tensors.items()}
    return Checkpoint(
        **metadata["state"],
        latents=kept["latents"],
        carried=kept["carried"],
        generator=generator,
        sampler_tensors=sampler,
        sampler_values=metadata["sampler"],
    )


def checkpoint_key(request: GenerationRequest, model_fingerprint: str) -> str:
    """What must be the same for a checkpoint to go on to the same bytes."""
    import diffusers

    text = f"{request.model_dump_json()}|{model_fingerprint}|{torch.__version__}|{diffusers.__version__}"
    return hashlib.sha256(text.encode()).hexdigest()
