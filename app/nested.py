"""Values of a request that have parts of their own: `hires_scale=2` and `hires.scale=2` mean hires = {scale: 2}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from engines.api import GenerationRequest, UserError

OFF = ("off", "none", "")  # as a command line says that it does not want one


def groups() -> dict[str, type[BaseModel]]:
    """The request's fields that are themselves made of fields, with their types."""
    found: dict[str, type[BaseModel]] = {}
    for name, info in GenerationRequest.model_fields.items():
        for each in get_args(info.annotation):
            if isinstance(each, type) and issubclass(each, BaseModel):
                found[name] = each
    return found


def fold(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with parts gathered under their field, and without those that are None.

    A field may be given as JSON text, and as "off". Raises `UserError("value-invalid")` for JSON that is none.
    """
    known = groups()
    folded: dict[str, Any] = {}
    for name, value in values.items():
        field, part = _split(name, known)
        if value is None:
            continue
        if part:
            folded[field] = {**(folded.get(field) or {}), part: value}
        else:
            folded[field] = _read(field, value) if field in known or _is_list(field) else value
    return folded


def merged(below: Any, above: Any) -> Any:
    """A later layer's value over an earlier one's: of fields with parts, the parts that it does not name stay."""
    return {**below, **above} if isinstance(below, dict) and isinstance(above, dict) else above


def _split(name: str, known: Mapping[str, type[BaseModel]]) -> tuple[str, str]:
    for field, kind in known.items():
        for mark in "._":
            part = name.removeprefix(field + mark)
            if part != name and (part in kind.model_fields or mark == "."):
                return field, part
    return name, ""


def _is_list(field: str) -> bool:
    info = GenerationRequest.model_fields.get(field)
    return info is not None and "tuple" in str(info.annotation)


def _read(field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if value.strip().casefold() in OFF:
        return () if _is_list(field) else None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        expected = f"{field} is JSON, its parts one by one ({field}_…=…), or off"
        raise UserError("value-invalid", field=field, value=value, expected=expected) from error
