"""NovelAI: `Software` names it, `Comment` is JSON, `Description` the prompt. Source: files of NovelAI Diffusion 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.media.foreign.values import Foreign, first, json_object, plain, settings_of, with_size

SCHEDULES = {"native": "Normal", "karras": "Karras", "exponential": "Exponential", "polyexponential": "Exponential"}


def read(texts: Mapping[str, str]) -> Foreign | None:
    """Only files that say NovelAI somewhere."""
    values = json_object(first(texts, "Comment", "comment"))
    named = "NovelAI" in (texts.get("Software") or "") or "NovelAI" in (texts.get("Title") or "")
    if not named and not {"uc", "sampler", "scale"} <= set(values):
        return None
    prompt = first(values, "prompt") or texts.get("Description")
    settings = settings_of(
        (
            ("Prompt", _caption(values, "v4_prompt") or prompt),
            ("Negative prompt", _caption(values, "v4_negative_prompt") or values.get("uc")),
            ("Steps", values.get("steps")),
            ("Sampler", values.get("sampler")),
            ("Schedule type", SCHEDULES.get(str(values.get("noise_schedule")))),
            ("CFG scale", values.get("scale")),
            ("Seed", values.get("seed")),
            ("Denoising strength", values.get("strength")),
            ("Model", texts.get("Source")),
            ("Version", "NovelAI"),
        )
    )
    raw = first(texts, "Comment", "comment") or plain(prompt) or ""
    return Foreign("novelai", with_size(settings, values.get("width"), values.get("height")), raw)


def _caption(values: Mapping[str, Any], name: str) -> str | None:
    """Version 4 keeps the words in a tree: a base caption and one for each character."""
    part = values.get(name)
    caption = part.get("caption") if isinstance(part, dict) else None
    if not isinstance(caption, dict):
        return None
    people = caption.get("char_captions")
    listed = [each.get("char_caption") for each in people if isinstance(each, dict)] if isinstance(people, list) else []
    words = [plain(each) for each in (caption.get("base_caption"), *listed)]
    return " | ".join(filter(None, words)) or None
