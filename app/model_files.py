"""Facts of a model folder beyond its header: Easel's own card, the size of its tensors, and a quick fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.api import read_json

CARD = "easel.json"
CARD_ID = re.compile(r"[\w][\w.-]{0,63}")
TEXT_LIMIT = 2000  # characters of a description or a licence note
# A card may set how the model likes to be used, never what is drawn or from which file.
CARD_FIELDS = (
    "width",
    "height",
    "steps",
    "guidance",
    "sampler",
    "scheduler",
    "strength",
    "clip_skip",
    "frames",
    "fps",
    "motion",
)
SAMPLE = 64 * 1024  # bytes read at the beginning, the middle and the end of each file for the fingerprint


@dataclass(frozen=True)
class Card:
    """What `easel.json` in a model folder says; empty where it says nothing."""

    id: str = ""
    title: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    description: str = ""


def card_place(model: Path) -> Path:
    """Where a model's card is: in its folder, or beside a model that is one file: model.easel.json."""
    return model.with_name(f"{model.stem}.{CARD}") if model.is_file() else model / CARD


def read_card(folder: Path) -> Card:
    """The model's card. Raises `UserError("model-broken")` for a damaged one; a model without a card has an empty one."""
    path = card_place(folder)
    if not path.exists():
        return Card()
    data = read_json(path, folder.name)
    text = {key: _text(data.get(key)) for key in ("id", "title", "licence", "description")}
    defaults = data.get("defaults")
    return Card(
        id=text["id"] if CARD_ID.fullmatch(text["id"]) else "",
        title=text["title"][:100],
        defaults=_defaults(defaults) if isinstance(defaults, dict) else {},
        licence=text["licence"],
        description=text["description"],
    )


def _text(value: object) -> str:
    return value.strip()[:TEXT_LIMIT] if isinstance(value, str) else ""


def _defaults(values: dict[str, Any]) -> dict[str, Any]:
    plain = (int, float, str)
    return {key: values[key] for key in CARD_FIELDS if isinstance(values.get(key), plain)}


def weight_files(folder: Path, parts: Iterable[str]) -> tuple[Path, ...]:
    """The safetensors files of the named parts, without the variants (fp16 and such) that lie beside the plain ones."""
    found: list[Path] = []
    for part in parts:
        files = sorted(path for path in (folder / part).glob("*.safetensors") if path.is_file())
        plain = [path for path in files if "." not in path.stem]
        found += plain or files
    return tuple(found)


def weight_bytes(folder: Path, parts: Iterable[str]) -> int:
    """The size of the model's tensors on disk."""
    return sum(path.stat().st_size for path in weight_files(folder, parts))


def fingerprint(folder: Path, parts: tuple[str, ...]) -> str:
    """16 hex digits that tell two models apart: names, sizes and samples of the weights, and the configurations.

    `folder` can be a single file too; then its name counts for nothing.

    A model of several gigabytes takes milliseconds. It finds another model, not a flipped bit.
    """
    digest = hashlib.sha256()
    if folder.is_file():
        _sample(digest, folder, folder.stat().st_size)
        return digest.hexdigest()[:16]
    configs = [path for part in parts for path in sorted((folder / part).glob("*.json")) if path.is_file()]
    for path in (*configs, *weight_files(folder, parts)):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()} {size}\n".encode())
        _sample(digest, path, size)
    return digest.hexdigest()[:16]


def _sample(digest: Any, path: Path, size: int) -> None:
    with path.open("rb") as file:
        for place in sorted({0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)}):
            file.seek(place)
            digest.update(file.read(SAMPLE))
