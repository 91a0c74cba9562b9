"""Other programs' YAML files: read with limits, without aliases (a few lines of those can fill the memory), never an error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger(__name__)

LIMIT = 64 * 1024  # bytes; real ones have a few kB, and the parser is slow


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's mapping; empty when there is none or when it cannot be read."""
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            text = file.read(LIMIT).decode("utf-8-sig")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader)):
            return {}
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        log.warning("%s cannot be read: %s", path.name, type(error).__name__)
        return {}
    return values if isinstance(values, dict) else {}


def comfy_paths(path: Path) -> tuple[Path, ...]:
    """The folders that ComfyUI's `extra_model_paths.yaml` names.

    Each section has a `base_path` and lines like `checkpoints: models/checkpoints`; a value may be several lines.
    """
    return tuple(
        folder
        for section in read_yaml(path).values()
        if isinstance(section, dict)
        for folder in _section(section, path)
    )


def _section(section: dict[str, Any], file: Path) -> Iterator[Path]:
    base = section.get("base_path")
    start = file.parent / _expanded(base) if isinstance(base, str) else file.parent
    for key, value in section.items():
        if key in ("base_path", "is_default", "custom_nodes") or not isinstance(value, str):
            continue
        for line in value.splitlines():
            if line.strip():
                yield start / _expanded(line.strip())


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()
