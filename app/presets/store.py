"""Presets on disk: the bundled ones, and the person's own, which are never lost by a broken neighbour."""

from __future__ import annotations

import difflib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from send2trash import send2trash

from app.files import write_atomic
from app.names import slug
from app.paths import PRESET_PICTURES
from app.presets.model import SCHEMA_VERSION, Preset, migrate
from app.presets.yaml_file import read_yaml, write_yaml
from engines.api import EaselError, ErrorRecord, ResourceError, Task, UserError

ID = re.compile(r"[a-z0-9-]+/[\w.-]{1,80}")


@dataclass(frozen=True)
class PresetProblem:
    """A preset file that cannot be used, with the reason."""

    path: Path
    error: ErrorRecord


class PresetStore:
    """Files `<task>/<name>.yaml` below two folders; the person's own stand in for bundled ones of the same id."""

    def __init__(self, bundled: Path, user: Path) -> None:
        self.bundled, self.user = bundled, user

    def all(self) -> tuple[Preset, ...]:
        """Every usable preset by id."""
        return tuple(found for found in self._found().values() if isinstance(found, Preset))

    def problems(self) -> tuple[PresetProblem, ...]:
        """The files that cannot be used."""
        return tuple(found for found in self._found().values() if isinstance(found, PresetProblem))

    def get(self, name: str) -> Preset:
        """The preset with this id, or with this last part of an id. Raises `UserError` with the nearest names."""
        found = self._found()
        matches = [key for key in found if name in (key, key.split("/")[1])]
        if len(matches) != 1:
            raise UserError("preset-unknown", name=name, nearest=_nearest(name, list(found), matches))
        preset = found[matches[0]]
        return preset if isinstance(preset, Preset) else self.validate(preset.path)

    def save(self, preset: Preset) -> Path:
        """Write the preset to the person's folder as `<id>.yaml`; an older file is kept beside it as a copy.

        Raises `UserError("preset-name")` and `ResourceError("preset-not-saved")`.
        """
        if not ID.fullmatch(preset.id) or ".." in preset.id:
            raise UserError("preset-name", name=preset.id)
        path = self.user / f"{preset.id}.yaml"
        with _saving(path):
            _keep_copy(path)
            write_atomic(path, write_yaml(preset.model_dump(mode="json")))
        return path

    def validate(self, path: Path) -> Preset:
        """The preset in the file, of any known version. Raises `UserError` naming what is wrong."""
        data = migrate(read_yaml(path), path.name)
        try:
            return Preset.model_validate({**data, "id": f"{path.parent.name}/{path.stem}", "bundled": self._ours(path)})
        except ValidationError as error:
            raise UserError("preset-broken", name=path.name, why=_first(error)) from error

    def new(self, title: str, task: Task, values: Mapping[str, Any], description: str = "", family: str = "") -> Preset:
        """A preset of the person's own under a free id made of its title; not saved yet. Raises `UserError`."""
        try:
            return Preset(
                id=self._free_id(task, title),
                title=title,
                description=description,
                task=task,
                family=family,
                values=dict(values),
            )
        except ValidationError as error:
            raise UserError("preset-broken", name=title, why=_first(error)) from error

    def duplicate(self, name: str, mark: str) -> Preset:
        """A saved copy that can be changed; `mark` is put behind its title, "copy" for instance."""
        original = self.get(name)
        title = f"{original.title[:60]} ({mark})"
        copy = self.new(title, original.task, original.values, original.description, original.family)
        self.save(copy)
        if (thumbnail := self.thumbnail(original.id)) is not None:
            self.save_thumbnail(copy.id, thumbnail.read_bytes())
        return copy

    def take_in(self, file_name: str, data: bytes) -> Preset:
        """Save the content of a preset file as one of the person's own, under a free id. Raises `UserError`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "imported" / Path(file_name).name
            path.parent.mkdir()
            path.write_bytes(data)
            found = self.validate(path)
        preset = self.new(found.title, found.task, found.values, found.description, found.family)
        self.save(preset)
        return preset

    def trash(self, name: str) -> None:
        """Put one of the person's own presets into the system's trash. Raises `UserError`."""
        preset = self.get(name)
        if preset.bundled:
            raise UserError("preset-is-bundled", name=preset.title)
        path = self.path_of(preset.id)
        try:
            send2trash(path)
        except OSError as error:
            raise UserError("preset-not-trashed", name=preset.title, why=error.strerror or str(error)) from error
        path.with_suffix(".webp").unlink(missing_ok=True)

    def path_of(self, name: str) -> Path:
        """The file of a preset."""
        preset = self.get(name)
        return (self.bundled if preset.bundled else self.user) / f"{preset.id}.yaml"

    def thumbnail(self, preset_id: str) -> Path | None:
        """The picture that stands for a preset, None when it has none."""
        if not ID.fullmatch(preset_id) or ".." in preset_id:
            return None
        places = (self.user / f"{preset_id}.webp", PRESET_PICTURES / f"{preset_id}.webp")
        return next((path for path in places if path.is_file()), None)

    def save_thumbnail(self, preset_id: str, data: bytes) -> None:
        """Keep a WebP picture for one of the person's own presets."""
        path = self.user / f"{preset_id}.webp"
        with _saving(path):
            write_atomic(path, data)

    def _free_id(self, task: Task, title: str) -> str:
        wanted = f"{task}/{slug(title)}"
        taken, free, number = set(self._found()), wanted, 1
        while free in taken:
            number += 1
            free = f"{wanted}-{number}"
        return free

    def migrate(self, path: Path) -> bool:
        """Rewrite an older file in today's form, with a copy of the old one beside it; False when it is of today."""
        preset = self.validate(path)
        if read_yaml(path)["schema_version"] == SCHEMA_VERSION:
            return False
        _keep_copy(path)
        write_atomic(path, write_yaml(preset.model_dump(mode="json")))
        return True

    def _ours(self, path: Path) -> bool:
        return path.is_relative_to(self.bundled)

    def _found(self) -> dict[str, Preset | PresetProblem]:
        found: dict[str, Preset | PresetProblem] = {}
        for path in self._files():
            key = f"{path.parent.name}/{path.stem}"
            try:
                found[key] = self.validate(path)
            except EaselError as error:
                found[key] = PresetProblem(path, ErrorRecord.of(error))
        return dict(sorted(found.items()))

    def _files(self) -> Iterator[Path]:
        for root in (self.bundled, self.user):
            yield from sorted(root.glob("*/*.yaml"))


@contextmanager
def _saving(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError("preset-not-saved", path=str(path), why=error.strerror or str(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _nearest(name: str, known: list[str], matches: list[str]) -> list[str]:
    if matches:
        return matches
    by_last = {key.split("/")[1]: key for key in known}
    close = difflib.get_close_matches(name.split("/")[-1], by_last, 3, 0.4)
    return [by_last[key] for key in close] or known


def _keep_copy(path: Path) -> None:
    if path.exists():
        shutil.copy2(path, path.with_suffix(".yaml.bak"))
