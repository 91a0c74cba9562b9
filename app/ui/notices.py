"""Errors as the page shows them: words, a code, buttons that do something, details to copy."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from app.remedies import Remedy, remedies_for_code
from app.ui.words import Words
from engines.api import EaselError, ErrorRecord


def notice(error: EaselError, ways: Sequence[Remedy], words: Words) -> str:
    """The JSON that the page's script turns into a card; each has an id, so that the same error twice is seen twice."""
    return json.dumps({"id": uuid.uuid4().hex, "error": card(ErrorRecord.of(error), ways, words)})


def card(record: ErrorRecord, ways: Sequence[Remedy], words: Words) -> dict[str, Any]:
    """Title, cause and ways out in words, and the buttons."""
    return {
        "code": record.code,
        "title": record.title,
        "cause": record.cause,
        "fixes": list(record.fixes),
        "details": record.details,
        "buttons": [_button(way, words) for way in ways],
    }


def card_for_job(record: ErrorRecord, words: Words) -> dict[str, Any]:
    """The card of a job that failed some time ago."""
    return card(record, remedies_for_code(record.code), words)


def _button(way: Remedy, words: Words) -> dict[str, Any]:
    numbers = dict(way.numbers)
    if "field" in numbers:
        numbers["field"] = words.get(f"field.{numbers['field']}", str(numbers["field"]))
    return {
        "action": way.action,
        "label": words(way.label, **numbers),
        "values": dict(way.values),
        "target": way.target,
    }
