"""Extra networks named in a prompt: `<lora:name:0.8>`, with weights for the text encoder and the denoiser apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engines.prompt.attention import NUMBER

_TAG = re.compile(r"(?<!\\)<(lora|lyco):([^<>]+)>")


@dataclass(frozen=True)
class Network:
    """A LoRA by name, and its weights."""

    name: str
    denoiser: float = 1.0
    text_encoder: float = 1.0


def take_networks(text: str) -> tuple[str, tuple[Network, ...]]:
    """The text without its tags, and what they name in order; a tag that cannot be read stays in the text."""
    found: list[Network] = []

    def take(match: re.Match[str]) -> str:
        network = _network(match[2])
        if network is None:
            return match[0]
        found.append(network)
        return ""

    return _TAG.sub(take, text), tuple(found)


def _network(text: str) -> Network | None:
    """`name`, `name:both`, `name:text encoder:denoiser`, or the two by name: `name:te=0.5:unet=1`."""
    name, *words = (word.strip() for word in text.split(":"))
    named = dict(word.split("=", 1) for word in words if "=" in word)
    numbers = [word for word in words if "=" not in word]
    text_encoder = named.get("te", numbers[0] if numbers else "1")
    denoiser = named.get("unet", numbers[1] if len(numbers) > 1 else text_encoder)
    if not name or not all(re.fullmatch(NUMBER, each.strip()) for each in (text_encoder, denoiser)):
        return None
    return Network(name, float(denoiser), float(text_encoder))
