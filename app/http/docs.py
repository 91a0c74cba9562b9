"""The OpenAPI page for people: one plain page without scripts, because the usual ones load theirs from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """body{font:1rem/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
code,pre{font-family:ui-monospace,monospace}pre{overflow:auto;padding:.6rem;border:1px solid #8886}
summary{cursor:pointer;padding:.3rem 0}.method{display:inline-block;min-width:4.5rem;font-weight:700}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #8886;padding:.3rem;text-align:left;vertical-align:top}"""


def page(description: dict[str, Any]) -> str:
    """The whole page."""
    info = description["info"]
    groups: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["Other"])[0]
            groups.setdefault(tag, []).append(_operation(method, path, operation, description))
    parts = "".join(f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in groups.items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style><body><h1>{escape(info['title'])} API "
        f"{escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f"<p>For programs: <a href=/openapi.json>/openapi.json</a></p>{parts}"
    )


def _operation(method: str, path: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    words = escape(operation.get("description", ""))
    rows = [*operation.get("parameters", ())]
    fields = [_row(each["name"], each.get("schema", {}), each.get("description", "")) for each in rows]
    fields += _body_rows(operation, description)
    table = f"<table><tr><th>name<th>type<th>what it is</tr>{''.join(fields)}</table>" if fields else ""
    return (
        f"<details><summary><span class=method>{method.upper()}</span> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary><p>{words}</p>{table}</details>"
    )


def _body_rows(operation: dict[str, Any], description: dict[str, Any]) -> list[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = _followed(content.get("schema", {}), description)
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        return [
            _row(name, each, each.get("description", ""), needed=name in required) for name, each in properties.items()
        ]
    return []


def _followed(schema: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return description.get("components", {}).get("schemas", {}).get(name, schema) if name else schema


def _row(name: str, schema: dict[str, Any], words: str, *, needed: bool = False) -> str:
    mark = " (needed)" if needed else ""
    return f"<tr><td><code>{escape(name)}</code>{mark}<td>{escape(_type(schema))}<td>{escape(words)}</tr>"


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    return str(schema.get("type", schema.get("$ref", "").rpartition("/")[2] or "anything"))
