"""What a model folder says of itself: small JSON files, read with limits and checked. Nothing in them is ever run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from engines.errors import UserError
from engines.records import ModelHeader

INDEX = "model_index.json"
JSON_LIMIT = 1 << 20  # bytes; real ones have under 10 kB, and a huge one would be parsed into far more memory
PART_LIMIT = 32  # the largest pipelines have about 12 parts
PART_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")  # it becomes the name of a folder: no dots, no slashes


def read_header(folder: Path) -> ModelHeader:
    """The header of the diffusers folder `folder`. Raises `UserError("model-broken")` naming the file and the reason."""
    index = read_json(folder / INDEX, folder.name)
    pipeline_class = index.get("_class_name")
    if not isinstance(pipeline_class, str) or not pipeline_class:
        raise _broken(folder.name, INDEX, "it does not name its pipeline class")
    parts = _parts(index, folder.name)
    configs = {
        name: read_json(path, folder.name)
        for name in parts
        for file in ("config.json", "scheduler_config.json")
        if (path := folder / name / file).is_file()
    }
    configs["index"] = index
    return ModelHeader(folder, pipeline_class, parts, configs)


def read_json(path: Path, model: str) -> dict[str, Any]:
    """A JSON object of at most 1 MiB. Raises `UserError("model-broken")`; pipes and devices are refused, not read."""
    name = path.name if path.name != "config.json" else f"{path.parent.name}/config.json"
    if not path.is_file():
        raise _broken(model, name, "it is missing or is not a file")
    constant = float if name == "scheduler_config.json" else _no_constant  # diffusers itself writes -Infinity there
    try:
        with path.open("rb") as file:
            data = file.read(JSON_LIMIT + 1)
        if len(data) > JSON_LIMIT:
            raise _broken(model, name, f"it is larger than {JSON_LIMIT >> 20} MiB")
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=constant)
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(model, name, (str(error).splitlines() or [type(error).__name__])[0][:200]) from error
    if not isinstance(value, dict):
        raise _broken(model, name, "it is not a JSON object")
    return value


def _parts(index: dict[str, Any], model: str) -> dict[str, str]:
    """Part name to class name; parts that the pipeline leaves out ([null, null]) are left out here too."""
    parts: dict[str, str] = {}
    for name, entry in index.items():
        if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(each, str) for each in entry):
            continue
        if not PART_NAME.fullmatch(name):
            raise _broken(model, INDEX, f"{name[:40]!r} is not the name of a part")
        parts[name] = entry[1]
    if len(parts) > PART_LIMIT:
        raise _broken(model, INDEX, f"it names {len(parts)} parts; {PART_LIMIT} is the limit")
    return parts


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("it has the same key twice")
    return values


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _broken(model: str, part: str, why: str) -> UserError:
    return UserError("model-broken", model=model, part=part, why=why)
