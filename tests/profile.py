"""The data of somebody who has used Easel before: no first steps stand in the way of a test."""

from __future__ import annotations

from pathlib import Path

from app.paths import Paths
from app.settings import Settings, SettingsStore


def used_profile(home: Path, **settings: object) -> None:
    """Write the settings below `home`, as EASEL_HOME will name it."""
    values = {"wizard_done": True, **settings}
    SettingsStore(Paths.below(home).settings_file).save(Settings.model_validate(values))
