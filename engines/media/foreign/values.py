"""The common form of what was read, and careful ways to take values out of other programs' JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TEXT_MOST = 100_000  # characters of one value


@dataclass(frozen=True)
class Foreign:
    """`kind` names the program, `settings` has A1111's keys with values as text, `raw` is what stood in the file."""

    kind: str
    settings: dict[str, str] = field(default_factory=dict)
    raw: str = ""


def json_object(text: str | None) -> dict[str, Any]:
    """The JSON object in `text`; empty for anything else. Comfy writes NaN, which Python takes."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def settings_of(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Keys whose values are plain and say something, as text."""
    found = {key: plain(value) for key, value in pairs}
    return {key: value for key, value in found.items() if value is not None}


def plain(value: Any) -> str | None:
    """A number or text as text; None for nothing and for what is neither."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return f"{value:g}" if value == value and abs(value) != float("inf") else None
    if isinstance(value, int):
        return str(value)
    text = value.strip()[:TEXT_MOST] if isinstance(value, str) else ""
    return text or None


def with_size(settings: dict[str, str], width: Any, height: Any) -> dict[str, str]:
    """The settings with "Size" in its three forms, when both sides are whole numbers."""
    sides = [plain(width), plain(height)]
    if not all(side is not None and side.isdecimal() for side in sides):
        return settings
    return {**settings, "Size": f"{sides[0]}x{sides[1]}", "Size-1": str(sides[0]), "Size-2": str(sides[1])}


def first(values: Mapping[str, Any], *names: str) -> Any:
    """The first of these that is there and not None."""
    return next((values[name] for name in names if values.get(name) is not None), None)


def model_name(name: Any) -> str | None:
    """A model's name without folders and ending: "folder/fox.safetensors" is fox."""
    text = plain(name)
    if text is None:
        return None
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    for ending in (".safetensors", ".ckpt", ".gguf", ".sft", ".pt"):
        last = last.removesuffix(ending)
    return last or None


def with_loras(prompt: str, loras: Iterable[tuple[Any, Any]]) -> str:
    """The prompt with each LoRA as A1111 writes it: `<lora:name:0.8>`; those that it has already stay as they are."""
    for name, weight in loras:
        short, strength = model_name(name), plain(weight) or "1"
        if short and f"<lora:{short}:" not in prompt:
            prompt = f"{prompt} <lora:{short}:{strength}>".strip()
    return prompt
