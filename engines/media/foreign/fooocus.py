"""Fooocus: JSON in "parameters", or in a comment field of JPEG and WebP. Source: Fooocus, modules/meta_parser.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engines.media.foreign.values import Foreign, json_object, model_name, plain, settings_of, with_loras, with_size

SIZE = re.compile(r"(\d+)\D+(\d+)")
MARKS = ("base_model", "performance", "metadata_scheme", "adm_guidance", "guidance_scale")


def read(texts: Mapping[str, str]) -> Foreign | None:
    """Only JSON that has several of Fooocus's own keys."""
    text = next((texts[key] for key in ("parameters", "comment", "usercomment") if texts.get(key)), "")
    values = json_object(text)
    if sum(mark in values for mark in MARKS) < 2:
        return None
    size = SIZE.search(plain(values.get("resolution")) or "")
    settings = settings_of(
        (
            ("Prompt", with_loras(plain(values.get("prompt")) or "", _loras(values))),
            ("Negative prompt", values.get("negative_prompt")),
            ("Steps", values.get("steps")),
            ("Sampler", values.get("sampler")),
            ("Schedule type", values.get("scheduler")),
            ("CFG scale", values.get("guidance_scale")),
            ("Seed", values.get("seed")),
            ("Model", model_name(values.get("base_model"))),
            ("Model hash", values.get("base_model_hash")),
            ("VAE", _vae(values)),
            ("Clip skip", values.get("clip_skip")),
            ("Sharpness", values.get("sharpness")),
            ("Performance", values.get("performance")),
            ("Styles", values.get("styles")),
            ("Version", values.get("version")),
        )
    )
    return Foreign("fooocus", with_size(settings, *size.groups()) if size else settings, text)


def _vae(values: Mapping[str, Any]) -> str | None:
    name = model_name(values.get("vae"))
    return None if name is None or name.startswith("Default") else name


def _loras(values: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """`loras` holds name, weight and hash; older files have "lora_combined_1": "name : 0.8"."""
    listed = values.get("loras")
    found = [(each[0], each[1]) for each in listed if isinstance(each, list) and len(each) > 1] if listed else []
    for key, value in values.items():
        if key.startswith("lora_combined_") and isinstance(value, str) and not found:
            name, _, weight = value.partition(" : ")
            found.append((name, weight))
    return found
