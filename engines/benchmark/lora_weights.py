"""A LoRA for whatever model is loaded, and pictures with it at several weights: what switching them takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.benchmark.took import Made
from engines.errors import UserError
from engines.options import LoraUse
from engines.types import GenerationRequest

NAME = "benchmark"
WEIGHTS = (0.4, 0.8, 1.2)
RANK = 4
QUERY = ".to_q.weight"


def made_at_weights(
    pipe: Any, request: GenerationRequest, folder: Path, picture: Callable[[GenerationRequest, dict[str, Path]], Made]
) -> list[Made]:
    """A picture at each of the weights. Raises `UserError("lora-not-for-model")` for a pipeline that takes no LoRAs."""
    if not hasattr(pipe, "load_lora_weights"):
        raise UserError("lora-not-for-model", lora=NAME)
    files = {NAME: write_lora(pipe, folder / f"{NAME}.safetensors")}
    return [picture(request.with_(loras=(LoraUse(file=NAME, weight=weight),)), files) for weight in WEIGHTS]


def write_lora(pipe: Any, path: Path) -> Path:
    """Random numbers, small ones, for every query of the denoiser's attention."""
    import torch
    from safetensors.torch import save_file

    part = pipe._lora_loadable_modules[0]
    made, tensors = torch.Generator().manual_seed(0), {}
    for name, value in getattr(pipe, part).state_dict().items():
        if name.endswith(QUERY):
            layer, (outputs, inputs) = f"{part}.{name.removesuffix('.weight')}", value.shape
            tensors[f"{layer}.lora_A.weight"] = torch.randn(RANK, inputs, generator=made) * 0.01
            tensors[f"{layer}.lora_B.weight"] = torch.randn(outputs, RANK, generator=made) * 0.01
    save_file(tensors, path)
    return path
