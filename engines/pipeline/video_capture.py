"""What a pipeline would give its decoder, taken in front of it: the finished latents, ready to be decoded at leisure.

Each pipeline prepares its latents in its own way (unpacking, factors, noise for the decoder). Running its own code up to
the decoder and stopping there keeps that in one place, theirs.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from engines.pipeline.checkpoint import Checkpoint
from engines.pipeline.video_decode import DecoderInput

SOUND = "sound"


@contextmanager
def capture_decoder_input(vae: Any) -> Iterator[list[DecoderInput]]:
    """While the block runs, `vae.decode` answers a tiny grey video; what it was given is appended to the list."""
    taken: list[DecoderInput] = []
    signature = inspect.signature(type(vae).decode)

    def decode(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(vae, *args, **kwargs).arguments
        latents = given.pop("z")
        others = {name: value for name, value in given.items() if isinstance(value, torch.Tensor) and value is not vae}
        taken.append(DecoderInput(latents, others))
        return _grey(latents)

    vae.decode = decode
    try:
        yield taken
    finally:
        del vae.decode


def _grey(latents: torch.Tensor) -> Any:
    from diffusers.models.autoencoders.vae import DecoderOutput

    frames = (3, 1, 8, 8) if latents.ndim == 5 else (3, 8, 8)
    return DecoderOutput(sample=latents.new_zeros(latents.shape[0], *frames))


def finished_checkpoint(start: Checkpoint, calls: int, given: DecoderInput, sound: torch.Tensor | None) -> Checkpoint:
    """The checkpoint from which only the decode is left; it is kept until the file is safe."""
    tensors = dict(given.arguments)
    if sound is not None:
        tensors[SOUND] = sound
    no_more_noise = torch.empty(0, dtype=torch.uint8)
    return Checkpoint(start.key, start.image, calls, True, given.latents, no_more_noise, tensors, tiled=start.tiled)


def from_checkpoint(found: Checkpoint) -> tuple[DecoderInput, torch.Tensor | None]:
    """The decoder's input and the sound out of a `finished_checkpoint`."""
    tensors = dict(found.sampler_tensors)
    sound = tensors.pop(SOUND, None)
    return DecoderInput(found.latents, tensors), sound
