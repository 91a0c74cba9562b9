"""The configurations that a weight file does not carry: the family's bundled ones, with what its variants change."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.family import EngineFamily
from engines.header import INDEX, read_json
from engines.identify import Kind, read_weights_header
from engines.identify.claims import view
from engines.messages import RESOURCES
from engines.records import ModelRecord

CONFIGS = RESOURCES / "families"


@contextmanager
def config_folder(record: ModelRecord, family: EngineFamily) -> Iterator[Path]:
    """A folder with `model_index.json` and each part's configuration, as the model's variants have them."""
    bundled = record.sources.get("config", CONFIGS / family.id)
    changes = _changes(record, family)
    if not changes:
        yield bundled
        return
    with tempfile.TemporaryDirectory(prefix="easel-configs-") as name:
        folder = Path(name)
        shutil.copytree(bundled, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors", "*.py"))
        for part, values in changes.items():
            _lay_over(_file(folder, part), values)
        yield folder


def _changes(record: ModelRecord, family: EngineFamily) -> dict[str, dict[str, Any]]:
    changes: dict[str, dict[str, Any]] = {}
    variants = [family.detection.variants[name] for name in record.variants if name in family.detection.variants]
    sources = [_size(record, family), *(each for variant in variants for each in (variant.configs, variant.settings))]
    for source in sources:
        for part, values in source.items():
            changes.setdefault(part, {}).update(values)
    return changes


def _size(record: ModelRecord, family: EngineFamily) -> Mapping[str, Mapping[str, Any]]:
    """What the file's own size changes, by the shapes in its header: those of its other parts stand under their full names."""
    if family.single_file is None or not family.single_file.sizes:
        return {}
    tensors = read_weights_header(record.path).tensors
    shapes = {name: info.shape for name, info in tensors.items()} | dict(view(Kind.DENOISER, tensors))
    return next((size.configs for size in family.single_file.sizes if size.tensors.find(shapes)), {})


def _file(folder: Path, part: str) -> Path:
    if part == "index":
        return folder / INDEX
    return folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")


def _lay_over(path: Path, values: dict[str, Any]) -> None:
    if path.is_file():
        path.write_text(json.dumps({**read_json(path, path.parent.name), **values}), encoding="utf-8")
