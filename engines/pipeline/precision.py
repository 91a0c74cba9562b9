"""A denoiser kept in 8 bits by choice: a quarter or half of the memory, each layer widened while it works."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from engines.family import EngineFamily
from engines.plan import Placement
from engines.records import ModelRecord

log = logging.getLogger(__name__)

STORED = torch.float8_e4m3fn


def shrink(parts: dict[str, Any], record: ModelRecord, family: EngineFamily, placement: Placement) -> dict[str, Any]:
    """The same parts; where the record asks for 8 bits, the denoisers' weights are held in them (diffusers' layerwise casting).

    Norms and the first and last layers stay as they are. What is packed already (GGUF) is left alone.
    """
    if not record.eight_bits or record.loader == "gguf":
        return parts
    for name in filter(None, (family.denoiser, family.second_denoiser)):
        part = parts.get(name)
        if part is None:
            continue
        before = _bytes(part)
        part.enable_layerwise_casting(storage_dtype=STORED, compute_dtype=placement.torch_dtype(name))
        log.info("part=%s held in 8 bits: %.1f MB of %.1f MB", name, _bytes(part) / 1e6, before / 1e6)
    return parts


@contextmanager
def looking_wide(pipe: Any) -> Iterator[None]:
    """While a LoRA is put in, weights in 8 bits stand aside for wide ones that take no room.

    The loader gives a LoRA the number format of the layer beside it, and would round it to 8 bits for good.
    """
    aside: list[tuple[torch.nn.Module, str, torch.nn.Parameter]] = []
    for part in pipe.components.values():
        if not isinstance(part, torch.nn.Module):
            continue
        wide = next((each.dtype for each in part.parameters() if each.dtype is not STORED), torch.float32)
        for module in part.modules():
            for name, weight in module._parameters.items():
                if weight is not None and weight.dtype is STORED:
                    aside.append((module, name, weight))
                    room = torch.zeros((), dtype=wide, device=weight.device).expand(weight.shape)
                    module._parameters[name] = torch.nn.Parameter(room, requires_grad=False)
    try:
        yield
    finally:
        for module, name, weight in aside:
            module._parameters[name] = weight


def _bytes(part: torch.nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in part.parameters())
