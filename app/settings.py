"""What the person chose once and for all, in one small JSON file with a version."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.files import write_atomic
from engines.api import ImageFormat, UserError

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
HUB_ADDRESS = re.compile(r"https://[\w.-]+(:\d+)?(/[\w./-]*)?|http://(127\.0\.0\.1|localhost)(:\d+)?(/[\w./-]*)?")

# Version n to n + 1, pure; the chain brings any older file up to date.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class Settings(BaseModel):
    """The settings. Keys that this version does not know are kept, so that nothing is lost on the way through it."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    schema_version: int = SCHEMA_VERSION
    output_folder: Path | None = Field(default=None, description="where pictures go; empty means the usual place")
    language: str = Field(default="en", description="language of the messages")
    theme: Literal["system", "light", "dark"] = Field(default="system", description="colours of the window")
    save_metadata: bool = Field(default=True, description="write into each file how it was made")
    log_prompts: bool = Field(default=False, description="let prompts appear in the log")
    image_format: ImageFormat = Field(default=ImageFormat.PNG, description="what pictures are saved as")
    model: str = Field(default="", description="the model that is used when none is named")
    preset: str = Field(default="", description="the preset that is used when none is named")
    download_folder: Path | None = Field(default=None, description="where new models go; empty means the usual place")
    hub_address: str = Field(default="https://huggingface.co", description="the hub, or a mirror of it")
    wizard_done: bool = Field(default=False, description="the steps of the first start were gone through or skipped")
    history_folders: list[Path] = Field(
        default_factory=list, description="other programs' pictures, listed in the history where they are"
    )
    api: bool = Field(default=False, description="let programs on this computer use Easel over HTTP")
    api_port: int = Field(default=7860, ge=0, le=65535, description="where the API is; the next free one is taken")
    api_key: str = Field(default="", max_length=200, description="what programs must send; empty asks for nothing")
    api_origins: list[str] = Field(default_factory=list, description="web pages that may use the API")
    mcp: bool = Field(default=False, description="let assistants use Easel by the Model Context Protocol, with the API")
    model_parts: dict[str, dict[str, Path]] = Field(
        default_factory=dict, description="by model file: which file fills a part that the model lacks"
    )
    memory_limit: float = Field(
        default=0, ge=0, le=4096, description="GB of memory that models may use; 0 lets Easel see what is free"
    )
    eight_bits: list[str] = Field(
        default_factory=list,
        description="model files whose largest part is held in 8 bits: less memory, a little less exact",
    )
    model_folders: list[Path] = Field(default_factory=list, description="more folders with models, used where they are")

    @field_validator("hub_address")
    @classmethod
    def _hub(cls, address: str) -> str:
        """Only https, or plain http on this computer; without a slash at the end."""
        if not HUB_ADDRESS.fullmatch(address.strip().rstrip("/")):
            raise ValueError("it is not an address like https://huggingface.co")
        return address.strip().rstrip("/")

    def usual_values(self) -> dict[str, Any]:
        """The fields of a request that the settings decide when nobody says otherwise."""
        return {"image_format": self.image_format} if self.image_format is not ImageFormat.PNG else {}

    def changed(self) -> dict[str, Any]:
        """The known settings that differ from their defaults, as JSON-able values."""
        values, usual = self.model_dump(mode="json"), type(self)().model_dump(mode="json")
        return {key: values[key] for key in type(self).model_fields if values[key] != usual[key]}


class SettingsStore:
    """Loads and saves the file. A file that cannot be used never stops Easel: it is set aside, defaults take over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._current: Settings | None = None

    def load(self) -> Settings:
        """The settings; defaults where there is no file, or where it is broken or from a newer version."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Settings()
        except (OSError, UnicodeDecodeError) as error:
            return self._set_aside("broken", str(error))
        return self._parse(text)

    def _parse(self, text: str) -> Settings:
        try:
            data = json.loads(text)
            version = data["schema_version"]
            if version > SCHEMA_VERSION:
                usual = self._set_aside(f"version-{int(version)}", f"it is from a newer Easel (version {version})")
                return self._of_this_version() or usual
            return Settings.model_validate(migrate(data))
        except (
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
            RecursionError,
        ) as error:  # ValidationError is a ValueError
            return self._set_aside("broken", _short(error))

    @property
    def current(self) -> Settings:
        """The settings as they were loaded or changed last; loaded when nobody did it yet."""
        if self._current is None:
            self._current = self.load()
        return self._current

    def change(self, **changes: object) -> Settings:
        """Change some settings and save them all. Raises `UserError` for a value that cannot be, or cannot be saved."""
        try:
            settings = Settings.model_validate({**self.current.model_dump(), **changes})
        except ValidationError as error:
            raise UserError("setting-invalid", why=_short(error)) from error
        self.save(settings)
        self._current = settings
        return settings

    def save(self, settings: Settings) -> None:
        """Write the settings, whole or not at all; the last good file stays beside it. Raises `UserError`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                shutil.copyfile(self.path, self.path.with_suffix(".last.json"))
                self._keep_other_version()
            write_atomic(self.path, (settings.model_dump_json(indent=1) + "\n").encode())
        except OSError as error:
            why = error.strerror or str(error)
            raise UserError("settings-not-saved", path=str(self.path), why=why) from error

    def _keep_other_version(self) -> None:
        """Before a file of another version is written over, keep a copy: an Easel of that version will find it again."""
        version = _version_in(self.path)
        if version is not None and version != SCHEMA_VERSION:
            shutil.copyfile(self.path, self._copy_of(version))

    def _of_this_version(self) -> Settings | None:
        """What this version had when a newer one took over; after a rollback that is better than the defaults."""
        try:
            data = json.loads(self._copy_of(SCHEMA_VERSION).read_text(encoding="utf-8"))
            return Settings.model_validate(data) if data["schema_version"] == SCHEMA_VERSION else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _copy_of(self, version: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.version-{version}.json")

    def _set_aside(self, mark: str, why: str) -> Settings:
        """Keep a copy under a name that no save touches, and go on with the defaults."""
        kept = self.path.with_name(f"{self.path.stem}.{mark}.json")
        try:
            if not kept.exists() or kept.read_bytes() != self.path.read_bytes():
                kept = _free_name(kept)
                shutil.copyfile(self.path, kept)
        except OSError:
            log.debug("the settings file could not be copied", exc_info=True)
        log.warning("The settings cannot be used: %s. Defaults are used; the file is kept as %s.", why, kept.name)
        return Settings()


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The data of an older file in today's form."""
    version = data["schema_version"]
    while version < SCHEMA_VERSION:
        data = MIGRATIONS[version](data)
        version += 1
    return {**data, "schema_version": SCHEMA_VERSION}


def _version_in(path: Path) -> int | None:
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["schema_version"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return version if isinstance(version, int) else None


def _free_name(path: Path) -> Path:
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
