"""The words without the markup, for models whose text encoder is a language model and reads sentences.

Brackets are part of sentences: `(x)` and `[x]` stay. What can only be markup goes: numbers behind a colon in brackets,
BREAK, changes over time (the first text counts), and the backslash before a bracket.
"""

from __future__ import annotations

import re

from engines.prompt.attention import NUMBER
from engines.prompt.schedule import at_step, parse_schedule

_WEIGHTED = re.compile(rf"(?<!\\)\(((?:[^()\\]|\\.)*?):\s*{NUMBER}\s*\)", re.DOTALL)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_ESCAPE = re.compile(r"\\([\\()\[\]{}|<>])")


def plain_text(text: str) -> tuple[str, tuple[str, ...]]:
    """The words alone, and the kinds of markup that were left out: "changes over time", "weights", "BREAK"."""
    dropped = []
    tree = parse_schedule(text)
    if any(not isinstance(each, str) for each in tree):
        text = at_step(tree, 1, 1_000_000)
        dropped.append("changes over time")
    words, found = _WEIGHTED.subn(r"\1", text)
    while found:
        text, (words, found) = words, _WEIGHTED.subn(r"\1", words)
        if "weights" not in dropped:
            dropped.append("weights")
    words, found = _BREAK.subn(" ", words)
    if found:
        dropped.append("BREAK")
    return _ESCAPE.sub(r"\1", words), tuple(dropped)
