"""Reading and writing preset files: plain YAML without the parts of YAML that surprise people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from engines.api import UserError

DEEPEST = 20  # lists within lists; a real one has two, and the parser's time grows with the square
OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
)
CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
SIZE_LIMIT = 64 * 1024  # bytes; a real one has a few hundred


class _PlainLoader(yaml.SafeLoader):
    """Numbers, true, false and null are what they are; all else is text: `no`, `1:30` and `2024-01-01` too."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - yaml's own protocol


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", "tf"),
    ("tag:yaml.org,2002:null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("tag:yaml.org,2002:int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("tag:yaml.org,2002:float", r"^-?[0-9]+\.[0-9]+$", "-0123456789"),
):
    _PlainLoader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def _mapping(loader: _PlainLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    if doubled := {key for key in keys if keys.count(key) > 1}:
        raise yaml.constructor.ConstructorError(None, None, f"the key {doubled.pop()} stands twice", node.start_mark)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }


_PlainLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the file. Raises `UserError("preset-broken")` naming the line and the reason."""
    try:
        if not path.is_file():  # a pipe would be waited for, a device has no end
            raise ValueError("it is missing or is not a file")
        if path.stat().st_size > SIZE_LIMIT:
            raise UserError("preset-broken", name=path.name, why=f"it is larger than {SIZE_LIMIT // 1024} kB")
        text = path.read_text(encoding="utf-8-sig")
        _refuse_references(text)
        data = yaml.load(text, _PlainLoader)  # a SafeLoader: it makes plain values only
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError("preset-broken", name=path.name, why=_why(error)) from error
    if not isinstance(data, dict):
        raise UserError("preset-broken", name=path.name, why="it is not a list of keys and values")
    return data


def write_yaml(data: dict[str, Any]) -> bytes:
    """The file's bytes, `schema_version` first, in the order given."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode()


def _refuse_references(text: str) -> None:
    """Anchors, aliases and tags have no place in a list of values, and a few of them can fill the memory."""
    depth = 0
    for token in yaml.scan(text, yaml.SafeLoader):
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > DEEPEST:
            raise ValueError(f"line {token.start_mark.line + 1}: it is nested too deeply")
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
            raise ValueError(f"line {token.start_mark.line + 1}: anchors, aliases and tags are not used in presets")


def _why(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark else problem.split("\n", 1)[0]
