"""Receipts: what a file's record says it is made of, and in words why two files differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.api import FileMetadata, UserError, read_metadata

# What decides the pixels, in the order in which a person would suspect it. The words complete "the … is …".
FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "negative_prompt": "negative prompt",
    "seed": "seed",
    "model": "model",
    "width": "width",
    "height": "height",
    "steps": "number of steps",
    "guidance": "guidance (CFG scale)",
    "sampler": "sampler",
    "scheduler": "noise schedule",
    "clip_skip": "clip skip",
    "strength": "denoising strength",
    "init_image": "picture to start from",
    "mask": "mask",
    "task": "task",
    "image_format": "file format",
}
SOFTWARE: Mapping[str, str] = {
    "easel": "version of Easel",
    "torch": "version of torch",
    "diffusers": "version of diffusers",
    "transformers": "version of transformers",
    "device": "device",
    "dtype": "number format",
    "threads": "number of processor threads",
}
# The rest of the world's keys, for files that Easel did not make.
INFOTEXT: Mapping[str, str] = {
    "Prompt": "prompt",
    "Negative prompt": "negative prompt",
    "Seed": "seed",
    "Model": "model",
    "Model hash": "model's file",
    "Size": "size",
    "Steps": "number of steps",
    "CFG scale": "guidance (CFG scale)",
    "Distilled CFG Scale": "distilled guidance",
    "Sampler": "sampler",
    "Schedule type": "noise schedule",
    "Clip skip": "clip skip",
    "Cache every": "number of steps between full ones",
    "Skip Early CFG": "beginning of guidance",
    "Guidance until": "end of guidance",
    "Denoising strength": "denoising strength",
    "Lora hashes": "LoRA files",
    "VAE": "VAE",
    "RNG": "source of noise",
    "Version": "program",
}
NOT_SUSPECTED = frozenset({"count"})  # says how many there were, nothing of this one
OF_VIDEOS = frozenset({"video_format", "frames", "fps", "motion"})  # says nothing of a picture


@dataclass(frozen=True)
class Difference:
    """One ingredient that is not the same: `what` it is, and the two values as text ("" for none)."""

    what: str
    first: str
    second: str

    def sentence(self) -> str:
        """In words."""
        if not self.first or not self.second:
            which, value = ("second", self.second) if self.second else ("first", self.first)
            return f"The {self.what} is known of the {which} alone: {_short(value)}."
        return f"The {self.what} differs: {_short(self.first)} in the first, {_short(self.second)} in the second."


def differences(first: FileMetadata, second: FileMetadata) -> tuple[Difference, ...]:
    """The ingredients that differ, the likeliest first. Files of other programs are compared by their infotexts."""
    if first.request is not None and second.request is not None:
        return (
            *_requests(first, second),
            *_weights(first.record, second.record),
            *_software(first.record, second.record),
            *_notes(first.record, second.record),
        )
    pairs = [(words, first.settings.get(key, ""), second.settings.get(key, "")) for key, words in INFOTEXT.items()]
    return tuple(Difference(words, one, other) for words, one, other in pairs if one != other)


def read_both(first: Path, second: Path) -> tuple[FileMetadata, FileMetadata]:
    """The records of both files. Raises `UserError("no-settings-in-file")` for one that says nothing."""
    found = (read_metadata(first), read_metadata(second))
    for path, each in zip((first, second), found, strict=True):
        if each.request is None and not each.settings:
            raise UserError("no-settings-in-file", path=str(path), kind=each.kind)
    return found


def _requests(first: FileMetadata, second: FileMetadata) -> tuple[Difference, ...]:
    assert first.request is not None and second.request is not None
    one, other = first.request.model_dump(mode="json"), second.request.model_dump(mode="json")
    videos = first.request.task.makes_video or second.request.task.makes_video
    passed_over = NOT_SUSPECTED if videos else NOT_SUSPECTED | OF_VIDEOS
    if not any(each.task.uses_strength or each.tiles for each in (first.request, second.request)):
        passed_over |= {"strength"}  # a number that neither looks at
    names = [*FIELDS, *(name for name in {**one, **other} if name not in FIELDS and name not in passed_over)]
    return tuple(
        Difference(FIELDS.get(name, name.replace("_", " ")), _text(one.get(name)), _text(other.get(name)))
        for name in names
        if one.get(name) != other.get(name) and name not in passed_over
    )


def _weights(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Files by their hashes where both sides know them, else the model's quick fingerprint."""
    one, other = _part(first, "weights"), _part(second, "weights")
    both = [name for name in one if name in other]
    found = [Difference(f"file {name}", one[name], other[name]) for name in both if one[name] != other[name]]
    prints = [str(_part(each, "model").get("fingerprint", "")) for each in (first, second)]
    if not found and prints[0] != prints[1]:
        found = [Difference("model's fingerprint (other files under one name)", *prints)]
    return tuple(found)


def _software(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    one, other = _part(first, "software"), _part(second, "software")
    names = [*SOFTWARE, *(name for name in {**one, **other} if name not in SOFTWARE)]
    return tuple(
        Difference(SOFTWARE.get(name, name.replace("_", " ")), _text(one.get(name)), _text(other.get(name)))
        for name in names
        if one.get(name) != other.get(name)
    )


def _notes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What had to be done otherwise than asked: tiles and other number formats give other pixels."""
    one, other = ("; ".join(map(str, each.get("notes") or ())) for each in (first, second))
    return (Difference("way it had to be made", one or "as asked", other or "as asked"),) if one != other else ()


def _part(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _short(value: str) -> str:
    text = " ".join(value.split())
    return f"“{text}”" if len(text) <= 100 else f"“{text[:99]}…”"
