"""What a preset is: a title, a task, and values for some fields of a request; and how older files become today's."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from engines.api import GUIDE_FIELDS, INPUT_FIELDS, GenerationRequest, Task, UserError

SCHEMA_VERSION = 2
# What makes one picture this picture, and no preset's business.
NOT_IN_PRESETS = {"task", "texts", "seed", *INPUT_FIELDS, *GUIDE_FIELDS}


class Preset(BaseModel):
    """A named set of values. `id` is the file's place, "text-to-image/draft"; `values` are fields of the request.

    `family` is the id of the family that it was made for: then a model of that family is taken when nobody names one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    id: str = Field(default="", exclude=True)
    title: str = Field(min_length=1, max_length=80)
    description: str = Field(default="", max_length=400)
    task: Task = Task.TEXT_TO_IMAGE
    family: str = Field(default="", max_length=64)
    values: dict[str, Any] = Field(default_factory=dict)
    bundled: bool = Field(default=False, exclude=True)

    @field_validator("values")
    @classmethod
    def _fields_of_the_request(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: _checked(name, value) for name, value in values.items()}


def _checked(name: str, value: Any) -> Any:
    """The value in its field's type; strings stay strings and numbers numbers, nothing is guessed."""
    known = [field for field in GenerationRequest.model_fields if field not in NOT_IN_PRESETS]
    if name not in known:
        nearest = difflib.get_close_matches(name, known, 1, 0.5) or known
        raise ValueError(f"there is no setting {name} in a preset; did you mean {nearest[0]}?")
    adapter: TypeAdapter[Any] = TypeAdapter(GenerationRequest.model_fields[name].annotation)  # pyright: ignore
    try:
        if isinstance(value, str):  # as in JSON, where a word may be one of several and is never a number
            adapter.validate_json(json.dumps(value), strict=True)
            return value
        checked = adapter.validate_python(value, strict=not isinstance(value, int) or isinstance(value, bool))
    except ValidationError as error:
        raise ValueError(f"{name} cannot be {value!r}: {error.errors()[0]['msg']}") from error
    return checked


def migrate(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The content of a preset file of any known version in today's form. Raises `UserError` for a newer one."""
    version = data.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UserError("preset-broken", name=name, why="schema_version is missing or is not a whole number")
    if version > SCHEMA_VERSION:
        raise UserError("preset-newer", name=name, found=version, known=SCHEMA_VERSION)
    migrated = dict(data)
    for step in range(version, SCHEMA_VERSION):
        migrated = {**MIGRATIONS[step](migrated), "schema_version": step + 1}
    return migrated


def _from_1_to_2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 kept the fields at the top, called guidance `cfg` and wrote the schedule behind the sampler's name."""
    head = {key: data[key] for key in ("title", "description", "task") if key in data}
    values = {key: value for key, value in data.items() if key not in (*head, "schema_version")}
    if "cfg" in values:
        values["guidance"] = values.pop("cfg")
    for schedule in ("Karras", "Exponential"):
        sampler = str(values.get("sampler", ""))
        if sampler.endswith(f" {schedule}"):
            values |= {"sampler": sampler.removesuffix(f" {schedule}"), "scheduler": schedule}
    return {**head, "values": values}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1_to_2}
