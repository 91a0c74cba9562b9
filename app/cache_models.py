"""What `easel cache-models NAME` means: a preset's model, a family's, one of the catalogue, a repository, an address."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

from app.catalogue import REPOSITORY, Entry, catalogue
from app.presets import Preset, PresetStore
from engines.api import EaselError, UserError


@dataclass(frozen=True)
class Wanted:
    """An address as the downloader takes it, and what the catalogue knows of the model."""

    address: str
    variant: str = ""
    card: dict[str, Any] = field(default_factory=dict)


def wanted(name: str, presets: PresetStore) -> Wanted:
    """Find out what is meant. Raises `UserError("cache-unknown")` with the nearest names."""
    if "://" in name:
        return Wanted(name)
    if (preset := _preset(name, presets)) is not None:
        return _of_preset(preset)
    if (entry := catalogue().find(name)) is not None:
        return of_entry(entry)
    if re.match(rf"{REPOSITORY}($|[@:])", name):
        return Wanted(name)
    names = [entry.id for entry in catalogue().models] + [entry.family for entry in catalogue().models]
    names += [preset.id for preset in presets.all()]
    raise UserError("cache-unknown", name=name, nearest=difflib.get_close_matches(name, names, 5, 0.4) or "none")


def of_entry(entry: Entry) -> Wanted:
    """A model of the catalogue."""
    return Wanted(entry.address, entry.variant, entry.card())


def _preset(name: str, presets: PresetStore) -> Preset | None:
    try:
        return presets.get(name)
    except EaselError:
        return None


def _of_preset(preset: Preset) -> Wanted:
    model = preset.values.get("model")
    if not model:
        raise UserError("preset-names-no-model", preset=preset.id)
    entry = catalogue().find(str(model))
    return of_entry(entry) if entry is not None else Wanted(str(model))
