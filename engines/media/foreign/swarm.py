"""SwarmUI: JSON with `sui_image_params`. Source: SwarmUI's documentation, "Image Metadata Format"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engines.media.foreign.values import (
    Foreign,
    first,
    json_object,
    model_name,
    plain,
    settings_of,
    with_loras,
    with_size,
)


def read(texts: Mapping[str, str]) -> Foreign | None:
    """Values may be numbers or texts."""
    text = texts.get("parameters", "")
    values = json_object(text).get("sui_image_params")
    if not isinstance(values, dict):
        return None
    settings = settings_of(
        (
            ("Prompt", with_loras(plain(values.get("prompt")) or "", _loras(values))),
            ("Negative prompt", values.get("negativeprompt")),
            ("Steps", values.get("steps")),
            ("Sampler", first(values, "sampler", "comfyuisampler")),
            ("Schedule type", first(values, "scheduler", "comfyuischeduler")),
            ("CFG scale", values.get("cfgscale")),
            ("Distilled CFG Scale", values.get("fluxguidancescale")),
            ("Seed", values.get("seed")),
            ("Model", model_name(values.get("model"))),
            ("VAE", model_name(values.get("vae"))),
            ("Denoising strength", values.get("initimagecreativity")),
            ("Clip skip", _clip_skip(values.get("clipstopatlayer"))),
            ("Version", _version(values)),
        )
    )
    return Foreign("swarmui", with_size(settings, values.get("width"), values.get("height")), text)


def _version(values: Mapping[str, Any]) -> str | None:
    version = plain(values.get("swarm_version"))
    return f"SwarmUI {version}" if version else None


def _clip_skip(layer: Any) -> str | None:
    """SwarmUI counts from the end with a minus: -2 is what A1111 calls 2."""
    text = plain(layer)
    return text.removeprefix("-") if text else None


def _loras(values: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    names, weights = (_listed(values.get(key)) for key in ("loras", "loraweights"))
    return [(name, weights[place] if place < len(weights) else 1) for place, name in enumerate(names)]


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [each.strip() for each in value.split(",") if each.strip()]  # pyright: ignore
    return value if isinstance(value, list) else []
