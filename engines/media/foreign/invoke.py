"""InvokeAI, from the one-line form of its first year to today's JSON. Source: InvokeAI's metadata documentation."""

from __future__ import annotations

import re
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

FLAG = re.compile(r"\s-([A-Za-z])\s*([\w.+-]+)")
QUOTED = re.compile(r'^"((?:[^"\\]|\\.)*)"(.*)$', re.S)
FLAGS = {"s": "Steps", "S": "Seed", "C": "CFG scale", "A": "Sampler", "f": "Denoising strength"}


def read(texts: Mapping[str, str]) -> Foreign | None:
    """`invokeai_metadata` (3 and later), `sd-metadata` (2), `Dream` (1 and 2)."""
    if values := json_object(texts.get("invokeai_metadata")):
        return Foreign("invokeai", _today(values), texts["invokeai_metadata"])
    if values := json_object(texts.get("sd-metadata")):
        return Foreign("invokeai", _version_2(values), texts["sd-metadata"])
    if text := texts.get("Dream") or texts.get("dream"):
        return Foreign("invokeai", _dream(text), text)
    return None


def _today(values: Mapping[str, Any]) -> dict[str, str]:
    prompt = plain(first(values, "positive_prompt", "prompt")) or ""
    version = plain(values.get("app_version"))
    settings = settings_of(
        (
            ("Prompt", with_loras(prompt, _loras(values))),
            ("Negative prompt", values.get("negative_prompt")),
            ("Steps", values.get("steps")),
            ("Sampler", values.get("scheduler")),
            ("CFG scale", values.get("cfg_scale")),
            ("Distilled CFG Scale", values.get("guidance")),
            ("Seed", values.get("seed")),
            ("Model", _model(values.get("model"))),
            ("VAE", _model(values.get("vae"))),
            ("Denoising strength", values.get("strength")),
            ("Clip skip", _clip_skip(values.get("clip_skip"))),
            ("Version", f"InvokeAI {version}" if version else None),
        )
    )
    return with_size(settings, values.get("width"), values.get("height"))


def _clip_skip(skipped: Any) -> int | None:
    """InvokeAI counts the layers that are skipped, A1111 the one that is used."""
    return int(skipped) + 1 if isinstance(skipped, int) and skipped > 0 else None


def _model(value: Any) -> str | None:
    if isinstance(value, dict):
        return model_name(first(value, "name", "model_name"))
    return model_name(value)


def _loras(values: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    listed = values.get("loras")
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [(_model(first(each, "model", "lora")), first(each, "weight")) for each in found]


def _version_2(values: Mapping[str, Any]) -> dict[str, str]:
    image = values.get("image")
    image = image if isinstance(image, dict) else {}
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        prompt = " ".join(str(each.get("prompt", "")) for each in prompt if isinstance(each, dict))
    positive, negative = _split_brackets(prompt if isinstance(prompt, str) else "")
    settings = settings_of(
        (
            ("Prompt", positive),
            ("Negative prompt", negative),
            ("Steps", image.get("steps")),
            ("Sampler", image.get("sampler")),
            ("CFG scale", image.get("cfg_scale")),
            ("Seed", image.get("seed")),
            ("Denoising strength", image.get("strength")),
            ("Model", model_name(first(values, "model_weights", "model"))),
        )
    )
    return with_size(settings, image.get("width"), image.get("height"))


def _dream(text: str) -> dict[str, str]:
    """`"a cat [dog]" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_lms`."""
    quoted = QUOTED.match(text.strip())
    prompt, rest = (quoted[1], quoted[2]) if quoted else (FLAG.split(text)[0], text)
    flags = dict(FLAG.findall(rest))
    positive, negative = _split_brackets(prompt)
    pairs = [("Prompt", positive), ("Negative prompt", negative)]
    settings = settings_of([*pairs, *((name, flags.get(flag)) for flag, name in FLAGS.items())])
    return with_size(settings, flags.get("W"), flags.get("H"))


def _split_brackets(prompt: str) -> tuple[str, str]:
    """Version 2 wrote the negative prompt in square brackets."""
    negative = " ".join(re.findall(r"\[([^\[\]]*)\]", prompt))
    return re.sub(r"\s*\[[^\[\]]*\]", "", prompt).strip(), negative
