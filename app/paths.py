"""Where everything lies: the program's own data, and one set of folders for the person's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from engines.api import UserError

ROOT = Path(__file__).resolve().parent.parent
RESOURCES = ROOT / "resources"
PRESET_PICTURES = RESOURCES / "presets"
WEB = RESOURCES / "web"
BUNDLED_PRESETS = ROOT / "presets"
BUNDLED_STYLES = RESOURCES / "styles"
STARTER = RESOURCES / "starter"

HOME_VARIABLE = "EASEL_HOME"
FROZEN = bool(getattr(sys, "frozen", False))
# The program's own folder: where the executable is, or the clone.
PROGRAM = Path(sys.executable).resolve().parent if FROZEN else ROOT
PORTABLE = "portable"


@dataclass(frozen=True)
class Paths:
    """The person's folders and files. `staging` holds half-done pictures: it lies with the data, not in the cache."""

    data: Path
    config: Path
    cache: Path
    outputs: Path
    logs: Path
    models: Path
    downloads: Path
    presets: Path
    wildcards: Path
    styles: Path
    inputs: Path
    staging: Path
    ledger: Path
    settings_file: Path
    drafts: Path
    history: Path
    favourites: Path
    window_file: Path

    @classmethod
    def default(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The places that the system names for such data.

        All of them below one folder instead where EASEL_HOME names it, or where a folder `portable` lies by the program.
        """
        if home := environ.get(HOME_VARIABLE):
            return cls.below(Path(home).expanduser().absolute())
        if portable := portable_home(PROGRAM):
            return cls.below(portable)
        from platformdirs import PlatformDirs

        places = PlatformDirs("easel", appauthor=False)
        pictures = places.user_pictures_path / "Easel"
        return cls._of(
            places.user_data_path, places.user_config_path, places.user_cache_path, pictures, places.user_log_path
        )

    @classmethod
    def below(cls, home: Path) -> Self:
        """Everything below one folder, which can then be moved or removed as a whole."""
        return cls._of(*(home / name for name in ("data", "config", "cache", "outputs", "logs")))

    @classmethod
    def _of(cls, data: Path, config: Path, cache: Path, outputs: Path, logs: Path) -> Self:
        return cls(
            data=data,
            config=config,
            cache=cache,
            outputs=outputs,
            logs=logs,
            models=data / "models",
            downloads=data / "downloads",
            presets=data / "presets",
            wildcards=data / "wildcards",
            styles=data / "styles",
            inputs=data / "inputs",
            staging=data / "staging",
            ledger=data / "ledger.sqlite3",
            settings_file=config / "settings.json",
            drafts=data / "drafts.json",
            history=data / "history.sqlite3",
            favourites=data / "favourites.json",
            window_file=config / "window.json",
        )

    def folders(self) -> dict[str, Path]:
        """The folders by name. The one for outputs is made with the first picture."""
        files = {"ledger", "settings_file", "drafts", "history", "favourites", "window_file"}
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in files}

    def ensure(self) -> None:
        """Create the folders. Raises `UserError("folder-unwritable")` naming the one that cannot be made."""
        for name, folder in self.folders().items():
            if name == "outputs":
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                why = error.strerror or str(error)
                raise UserError("folder-unwritable", folder=str(folder), why=why, variable=HOME_VARIABLE) from error


def portable_home(program: Path) -> Path | None:
    """The folder `portable` in the program's folder, or beside all of its versions; None where there is none.

    Whoever carries Easel about on a stick makes the folder, and everything stays in it.
    """
    beside = [program, program.parent.parent] if program.parent.name == "versions" else [program]
    return next((place / PORTABLE for place in beside if (place / PORTABLE).is_dir()), None)
