"""What a button beside an error can do about it: from a code and its numbers to changes that a click makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.models import ModelStore
from engines.api import EaselError, GenerationRequest, family_of


@dataclass(frozen=True)
class Remedy:
    """A button: `action` is one of ACTIONS, `label` a key of the face's texts with `numbers` to fill in.

    "set" changes fields of the request (`values`), "open" shows a tab, "focus" a part of the form, the others are
    commands of the window.
    """

    action: str
    label: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""


ACTIONS = frozenset({"set", "open", "focus", "resume", "retry", "report", "outputs"})

REPORT = Remedy("report", "fix.report")
RETRY = Remedy("retry", "fix.retry")
RESUME = Remedy("resume", "fix.resume")  # the same job, with what it has made; before there is a job it is RETRY
OTHER_FOLDER = Remedy("open", "fix.output-folder", target="settings")
PLACES = (OTHER_FOLDER, RETRY)

# Codes whose way out is always the same; the others are worked out from their numbers below.
FIXED: Mapping[str, tuple[Remedy, ...]] = {
    "prompt-empty": (Remedy("focus", "fix.prompt", target="prompt"),),
    "init-image-needed": (Remedy("focus", "fix.picture", target="picture"),),
    "init-image-missing": (Remedy("focus", "fix.picture", target="picture"),),
    "init-image-broken": (Remedy("focus", "fix.picture", target="picture"),),
    "init-image-too-large": (Remedy("focus", "fix.picture", target="picture"),),
    "input-forgotten": (Remedy("focus", "fix.picture", target="picture"),),
    "mask-needed": (Remedy("focus", "fix.mask", target="picture"),),
    "output-unwritable": PLACES,
    "output-not-saved": (OTHER_FOLDER, RESUME),
    "no-room-while-made": (RESUME,),
    "job-not-written-down": (RESUME,),
    "disk-too-small": PLACES,
    "engine-died": (RESUME, REPORT),
    "program-ended": (RESUME,),
    "decode-out-of-memory": (RESUME,),
    "internal": (REPORT, RETRY),
}


def remedies(error: EaselError, request: GenerationRequest | None, models: ModelStore) -> tuple[Remedy, ...]:
    """Buttons for an error that was just raised; at least one, always."""
    if error.code in FIXED:
        return FIXED[error.code]
    return _from_numbers(error, request, models) or (RETRY,)


def remedies_for_code(code: str) -> tuple[Remedy, ...]:
    """Buttons for an error of which only the code is left, as in the ledger."""
    return FIXED.get(code, (RETRY, REPORT))


def _from_numbers(
    error: EaselError, request: GenerationRequest | None, models: ModelStore
) -> tuple[Remedy, ...] | None:
    numbers = error.params
    match error.code:
        case "size-not-allowed":
            sizes = str(numbers["nearest"]).split(" or ")
            return tuple(_set(numbers["side"], int(size)) for size in sizes)
        case "value-out-of-range":
            near = min(max(float(numbers["value"]), float(numbers["low"])), float(numbers["high"]))
            return (_set(numbers["field"], int(near) if near.is_integer() else near),)
        case "sampler-not-for-family" | "schedule-not-for-sampler" if request is not None:
            name = "sampler" if error.code.startswith("sampler") else "scheduler"
            return (_set(name, numbers["supported"][0]),)
        case "too-few-steps":
            needed = -(-1 // max(float(numbers["strength"]), 0.01))
            return (_set("steps", int(needed)), _set("strength", 0.75))
        case "too-many-pixels" if request is not None:
            return (_smaller(request, models),)
        case "memory-too-small" if numbers["width"] or numbers["frames"]:
            return tuple(_that_fits(numbers, request))
        case "model-unknown" | "model-broken" | "model-no-safetensors":
            return (Remedy("set", "fix.default-model", values={"model": None}),)
        case "preset-unknown" | "preset-broken" | "preset-newer":
            return (Remedy("set", "fix.no-preset", values={"preset": None}),)
        case _:
            return None


def _set(name: str, value: object) -> Remedy:
    return Remedy("set", "fix.set", {"field": name, "value": value}, {name: value})


def _that_fits(numbers: Mapping[str, Any], request: GenerationRequest | None) -> Iterator[Remedy]:
    """Fewer frames, and a smaller size: whatever of the two fits into the memory."""
    if request is not None and 0 < numbers["frames"] < request.frames:
        yield _set("frames", numbers["frames"])
    if numbers["width"] and (request is None or numbers["width"] < request.width):
        size = {"width": numbers["width"], "height": numbers["height"]}
        yield Remedy("set", "fix.size", size, size)
    yield RETRY


def _smaller(request: GenerationRequest, models: ModelStore) -> Remedy:
    """The same shape with as many pixels as the family can do."""
    limits = family_of(models.get(request.model)).limits
    factor = (limits.max_pixels / (request.width * request.height)) ** 0.5
    width, height = (
        int(side * factor) // limits.side_multiple * limits.side_multiple for side in (request.width, request.height)
    )
    return Remedy("set", "fix.size", {"width": width, "height": height}, {"width": width, "height": height})
