"""Other programs' YAML files: read with limits, without aliases (a few lines of those can fill the memory), never an error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger(__name__)

DEEPEST = 20  # lists within lists
LIMIT = 64 * 1024  # bytes; real ones have a few kB, and the parser is slow


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's mapping; empty when there is none or when it cannot be read."""
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            text = file.read(LIMIT).decode("utf-8-sig")
        if _is_hostile(text):
            return {}
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        log.warning("%s cannot be read: %s", path.name, type(error).__name__)
        return {}
    return values if isinstance(values, dict) else {}


def _is_hostile(text: str) -> bool:
    """Whether it has aliases or is nested deeply: the one fills the memory, the other takes the parser very long."""
    depth = 0
    for token in yaml.scan(text, yaml.SafeLoader):
        depth += isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken)
        depth -= isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken)
        if isinstance(token, yaml.AliasToken) or depth > DEEPEST:
            return True
    return False


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
