"""The LoRAs of a request: those of its list, and those that its prompt names."""

from __future__ import annotations

from engines.options import LoraUse
from engines.prompt.networks import take_networks
from engines.types import GenerationRequest


def used_loras(request: GenerationRequest, prompt: str | None = None) -> tuple[LoraUse, ...]:
    """The request's own LoRAs, then those that its prompt (or `prompt`) names."""
    _text, named = take_networks(request.prompt if prompt is None else prompt)
    tags = (LoraUse(file=each.name, weight=each.denoiser, text_weight=each.text_encoder) for each in named)
    return (*request.loras, *tags)


def lora_text(use: LoraUse) -> str:
    """What stands between `<lora:` and `>` for this use; `parse_lora` reads it."""
    if use.text_weight is not None and use.text_weight != use.weight:
        return f"{use.file}:te={use.text_weight:g}:unet={use.weight:g}"
    return use.file if use.weight == 1 else f"{use.file}:{use.weight:g}"


def parse_lora(text: str) -> LoraUse | None:
    """The use that `<lora:TEXT>` in a prompt means: name, or name and weights. None when it cannot be read."""
    rest, named = take_networks(f"<lora:{text}>")
    if rest or len(named) != 1:
        return None
    each = named[0]
    both = each.text_encoder == each.denoiser
    return LoraUse(file=each.name, weight=each.denoiser, text_weight=None if both else each.text_encoder)
