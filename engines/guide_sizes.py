"""How large the networks beside the model are that guide a picture: from headers alone, for plans. No torch needed."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

from engines.options import CONTROLNET, EMBEDDING, IP_ADAPTER, IP_ENCODER, VAE
from engines.part_sizes import tensors_in

STAY = (CONTROLNET, IP_ADAPTER, VAE)  # they are beside the model all the time, as LoRAs are
SUFFIX = ".safetensors"  # upscaler models of other kinds have their turn when the model is done


def guide_numbers(files: Mapping[str, Path]) -> tuple[int, int]:
    """Numbers in everything that stays beside the model, and in the largest picture encoder, which goes when it has looked.

    `files` are those of a run, by their names with the kind before them; a name without a kind is a LoRA's.
    """
    staying = {path for name, path in files.items() if name.startswith(STAY) or _is_lora(name, path)}
    eyes = {path for name, path in files.items() if name.startswith(IP_ENCODER)}
    return sum(map(_numbers, staying)), max(map(_numbers, eyes), default=0)


def _is_lora(name: str, path: Path) -> bool:
    return path.suffix == SUFFIX and not name.startswith((*STAY, EMBEDDING, IP_ENCODER))


def _numbers(path: Path) -> int:
    """Numbers in the file; 0 for one that cannot be read: loading it says what is wrong."""
    return sum(prod(info.shape) for info in tensors_in(path).values())
