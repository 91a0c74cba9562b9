"""Presets: named wishes in versioned files, bundled ones and the person's own."""

from __future__ import annotations

from app.presets.model import SCHEMA_VERSION, Preset
from app.presets.store import PresetProblem, PresetStore

__all__ = ["SCHEMA_VERSION", "Preset", "PresetProblem", "PresetStore"]
