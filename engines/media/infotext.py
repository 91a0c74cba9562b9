"""A1111's infotext, the record that the whole field reads: prompt lines, negative prompt, one line of settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from engines.accelerators import Accelerator
from engines.options import EMBEDDING, VAE, LoraUse
from engines.records import ModelRecord
from engines.types import Emphasis, GenerationRequest, Task

NEGATIVE = "Negative prompt:"
PAIR = re.compile(r'(\w[\w \-/]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
JSON_PAIR = re.compile(r",\s*(Hashes|Civitai resources|Civitai metadata):\s*(\{[^}]*\}|\[[^\]]*\])")
LINE_MOST = 50_000  # characters; whatever is longer was made to keep a reader busy
LORA = "lora:"  # before a LoRA's name among a record's hashes
SCHEDULE_SUFFIXES = ("Karras", "Exponential", "SGM Uniform", "Simple", "Beta")
# A1111's spelling where it differs from ours.
SCHEDULE_TYPES = {"SGM uniform": "SGM Uniform"}


def write_infotext(request: GenerationRequest, record: ModelRecord, facts: Mapping[str, str]) -> str:
    """The infotext of one picture. Keys that are not known are left out: an absent key means the default."""
    settings = {
        "Steps": request.steps,
        "Sampler": request.sampler.removesuffix(" flow"),  # a flow model's Euler is Euler to everybody else
        "Schedule type": SCHEDULE_TYPES.get(request.scheduler, request.scheduler),
        "CFG scale": _number(request.guidance),
        "Seed": request.seed,
        "Size": f"{request.width}x{request.height}",
        "Frames": request.frames if request.task.makes_video else None,
        "FPS": request.fps if request.task.makes_video else None,
        "VAE hash": record.hashes.get(f"{VAE}{request.vae}") if request.vae else None,
        "VAE": _name(request.vae) or None,
        "Model hash": model_hash(record),
        "Model": _name(record.title) or None,
        "Denoising strength": _denoising_strength(request),
        "Clip skip": request.clip_skip if request.clip_skip > 1 else None,
        "Emphasis": str(request.emphasis) if request.emphasis is not Emphasis.ORIGINAL else None,
        **_passes(request),
        **_shortcuts(request),
        "Accelerator": str(request.accelerator) if request.accelerator is not Accelerator.NONE else None,
        **_controls(request),
        **_looks(request),
        "Lora hashes": lora_hashes(record),
        "TI hashes": _hashes(record, EMBEDDING),
        "RNG": "CPU",
        "Version": _name(f"Easel {facts.get('easel', '')}".strip()),
    }
    if not request.needs_model:  # nothing was sampled: a number of steps would be invented
        kept = ("Size", "Version", *_passes(request))
        settings = {key: value for key, value in settings.items() if key in kept}
    lines = [_prompt(request)]
    if request.negative_prompt:
        lines.append(f"{NEGATIVE} {request.negative_prompt}")
    lines.append(", ".join(f"{key}: {_quote(value)}" for key, value in settings.items() if value is not None))
    return "\n".join(lines).strip()


def _prompt(request: GenerationRequest) -> str:
    """The prompt with the list's LoRAs behind it, in the form that other programs know."""
    tags = (f"<lora:{use.file}:{_lora_weights(use)}>" for use in request.loras)
    return " ".join([request.prompt, *tags]).strip()


def _lora_weights(use: LoraUse) -> str:
    both = use.text_weight is None or use.text_weight == use.weight
    return _number(use.weight) if both else f"te={_number(use.text_weight or 0.0)}:unet={_number(use.weight)}"


def model_hash(record: ModelRecord) -> str | None:
    """The first ten digits of a checkpoint's sha256, as everybody names it; None for a folder, and while it is not known."""
    found = record.hashes.get(record.path.name, "") if record.path.suffix else ""
    return found[:10] or None


def lora_hashes(record: ModelRecord) -> str | None:
    """ "name: 12 digits, name: 12 digits" of the LoRAs whose hashes are known, as A1111 computes them."""
    return _hashes(record, LORA)


def _hashes(record: ModelRecord, kind: str) -> str | None:
    found = {key.removeprefix(kind): value for key, value in record.hashes.items() if key.startswith(kind)}
    return ", ".join(f"{_name(name)}: {value[:12]}" for name, value in found.items()) or None


def _denoising_strength(request: GenerationRequest) -> str | None:
    """A1111 has one key for both passes; its second pass is only after text, so they never meet."""
    if request.hires is not None:
        return _number(request.hires.strength)
    drawn_in_part = request.task.uses_strength or request.tiles is not None
    return _number(request.strength) if drawn_in_part and request.needs_model else None


def _passes(request: GenerationRequest) -> dict[str, object]:
    """Second pass, masks, canvas and upscaling, under A1111's names where it has them."""
    found: dict[str, object] = {}
    if (hires := request.hires) is not None:
        found["Hires upscale"] = _number(hires.scale)
        found["Hires steps"] = hires.steps or None
        found["Hires upscaler"] = hires.upscaler
    if (masking := request.masking) is not None:
        found["Mask blur"] = _number(masking.blur)
        found["Mask mode"] = "Inpaint not masked" if masking.invert else None
        found["Inpaint area"] = "Only masked" if masking.only_masked else None
        found["Masked area padding"] = masking.padding if masking.only_masked else None
        found["Soft inpainting enabled"] = True if masking.soft else None
    if request.task is Task.UPSCALE:
        found["Postprocess upscale to"] = f"{request.width}x{request.height}"
        found["Postprocess upscaler"] = request.upscaler
    return found


def _shortcuts(request: GenerationRequest) -> dict[str, object]:
    """What was left out of the steps. A1111 has a name for guidance that begins later, for nothing else of it."""
    wish = request.shortcuts
    if wish is None:
        return {}
    return {
        "Cache every": wish.every if wish.reuses else None,
        "Cache change": _number(wish.change) if wish.reuses and wish.change < 1 else None,
        "Skip Early CFG": _number(wish.guided_from) if wish.guided_from > 0 else None,
        "Guidance until": _number(wish.guided_to) if wish.guided_to < 1 else None,
    }


def _controls(request: GenerationRequest) -> dict[str, str]:
    """ControlNets as A1111's extension writes them: "ControlNet 0" and so on."""
    return {
        f"ControlNet {place}": ", ".join(
            (
                f"Module: {use.prepare}",
                f"Model: {_name(use.file)}",
                f"Weight: {_number(use.weight)}",
                f"Guidance Start: {_number(use.start)}",
                f"Guidance End: {_number(use.end)}",
            )
        )
        for place, use in enumerate(request.controls)
    }


def _looks(request: GenerationRequest) -> dict[str, str]:
    """IP-Adapters; other programs have no common word for them."""
    return {
        f"IP-Adapter {place}": f"Model: {_name(use.file)}, Weight: {_number(use.weight)}"
        for place, use in enumerate(request.ip_adapters)
    }


def parse_infotext(text: str) -> dict[str, str]:
    """Keys and values as strings, with "Prompt" and "Negative prompt" beside the settings.

    The last line that begins with "Steps: ", else the last of all, counts as settings when it holds at least three pairs.
    Older files carry the schedule in the sampler's name ("DPM++ 2M Karras"): it is split off. "Size" comes as "Size-1"
    and "Size-2" too.
    """
    lines, plain, extra = _split_settings(text.replace("\r\n", "\n").strip().split("\n"))
    prompt, negative = _split_prompts(lines)
    values = {"Prompt": prompt, "Negative prompt": negative}
    for key, value in PAIR.findall(plain):
        _take(values, key, _unquote(value))
    values |= extra
    _split_sampler(values)
    return values


def _split_settings(lines: list[str]) -> tuple[list[str], str, dict[str, str]]:
    """The prompts' lines, the line of settings, and its values that are JSON and not quoted ("Hashes: {…}")."""
    at = next((place for place in range(len(lines) - 1, -1, -1) if lines[place].startswith("Steps: ")), len(lines) - 1)
    if len(lines[at]) > LINE_MOST:
        return lines, "", {}
    extra = dict(JSON_PAIR.findall(lines[at]))
    plain = JSON_PAIR.sub("", lines[at])
    if len(PAIR.findall(plain)) < 3:
        return lines, "", {}
    return lines[:at], plain, extra


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    for index, line in enumerate(lines):
        if line.startswith(NEGATIVE):
            negative = [line[len(NEGATIVE) :], *lines[index + 1 :]]
            return "\n".join(lines[:index]).strip(), "\n".join(negative).strip()
    return "\n".join(lines).strip(), ""


def _take(values: dict[str, str], key: str, value: str) -> None:
    values[key] = value
    if size := re.fullmatch(r"(\d+)x(\d+)", value):
        values[f"{key}-1"], values[f"{key}-2"] = size.groups()


def _split_sampler(values: dict[str, str]) -> None:
    sampler = values.get("Sampler", "")
    for suffix in SCHEDULE_SUFFIXES:
        if "Schedule type" not in values and sampler.endswith(f" {suffix}"):
            values["Sampler"], values["Schedule type"] = sampler.removesuffix(f" {suffix}"), suffix


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',\n:"') else text


def _unquote(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _name(text: str) -> str:
    """Readers cut names at commas and colons even when they are quoted."""
    return re.sub(r"[,:\s]+", " ", text).strip()


def _number(value: float) -> str:
    return f"{value:g}"
