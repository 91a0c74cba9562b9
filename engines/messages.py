"""The message catalogue: code to title, cause and ways out, in the person's language."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
FALLBACK_LANGUAGE = "en"


@dataclass(frozen=True)
class Message:
    """What a person reads: a title in plain words, the cause with numbers, and at least one way out."""

    code: str
    title: str
    cause: str
    fixes: tuple[str, ...]


class _Gaps(dict[str, Any]):
    """A missing number shows as its name: a message with a hole is better than a second error about it."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


_language = FALLBACK_LANGUAGE


def use_language(language: str) -> None:
    """Speak this language from now on, in this process; texts that it lacks stay English."""
    global _language
    _language = language


def languages() -> tuple[str, ...]:
    """The languages that there are texts in, English first."""
    found = {path.name for path in (RESOURCES / "messages").iterdir() if path.is_dir()}
    return (FALLBACK_LANGUAGE, *sorted(found - {FALLBACK_LANGUAGE}))


@lru_cache
def catalogue(language: str = FALLBACK_LANGUAGE) -> dict[str, dict[str, Any]]:
    """The messages of one language, by code; empty for a language that has no folder."""
    entries: dict[str, dict[str, Any]] = {}
    for path in sorted((RESOURCES / "messages" / language).glob("*.json")):
        entries.update(json.loads(path.read_text(encoding="utf-8")))
    return entries


def render(code: str, params: dict[str, Any], language: str = "") -> Message:
    """Fill the entry `code` with `params`, in `language` or the one in use.

    An unknown code gives the entry `internal` with the code in it.
    """
    entry = catalogue(language or _language).get(code) or catalogue().get(code)
    if entry is None:
        entry, params = catalogue()["internal"], {"what": f"{code} {params}"}
    values = _Gaps({key: _plain(value) for key, value in params.items()})
    return Message(
        code,
        entry["title"].format_map(values),
        entry["cause"].format_map(values),
        tuple(fix.format_map(values) for fix in entry["fixes"]),
    )


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
