"""Weights as A1111's users write them: `(x)`, `(x:1.3)`, `[x]`, nesting, `BREAK` and escapes. Any text can be parsed.

A round bracket multiplies by 1.1, a square one divides by it, a number says it exactly. A bracket that nobody closes
counts to the end; one that nobody opened is text. A backslash makes the next bracket, brace, bar or backslash text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

ROUND, SQUARE = 1.1, 1 / 1.1
DEEPEST = 40  # open brackets; beyond it they are text, so that the work stays in proportion to the length
LARGEST = 1e6  # the weight that no nesting passes, so that no weight is infinite
NUMBER = r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})"

_TOKEN = re.compile(
    rf"""\\(?P<escaped>[\\()\[\]{{}}|<>])
    |:\s*(?P<number>{NUMBER})\s*\)
    |(?P<bracket>[()\[\]])
    |(?P<text>[^\\()\[\]:]+|[\\:])""",
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")
_TO_ESCAPE = re.compile(r"[\\()\[\]]")


@dataclass(frozen=True)
class Fragment:
    """A run of text with one weight; 1 is neutral."""

    text: str
    weight: float = 1.0


Part = tuple[Fragment, ...]


def parse_weights(text: str) -> tuple[Part, ...]:
    """The parts between the BREAKs (always at least one), each a row of fragments; neighbours differ in weight."""
    reader = _Reader()
    for match in _TOKEN.finditer(text):
        reader.take(match)
    reader.close_all()
    parts: list[list[Fragment]] = [[]]
    for piece in reader.pieces:
        if piece.text is None:
            parts.append([])
        else:
            parts[-1].append(Fragment(piece.text, piece.weight))
    last = len(parts) - 1
    return tuple(_tidy(part, strip_start=index > 0, strip_end=index < last) for index, part in enumerate(parts))


def render_weights(parts: Sequence[Iterable[Fragment]]) -> str:
    """The text whose parse is `parts`."""
    return " BREAK ".join("".join(map(_render, part)) for part in parts)


@dataclass
class _Piece:
    """A fragment in the making; no text means a BREAK."""

    text: str | None
    weight: float = 1.0


class _Reader:
    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self._open: dict[str, list[int]] = {"(": [], "[": []}

    def take(self, match: re.Match[str]) -> None:
        if match["escaped"]:
            self.pieces.append(_Piece(match["escaped"]))
        elif match["number"]:
            self._close("(", float(match["number"]), match[0])
        elif match["bracket"]:
            self._bracket(match["bracket"])
        else:
            self.pieces.extend(_split(match["text"]))

    def close_all(self) -> None:
        """What is still open counts to the end."""
        for kind, factor in (("(", ROUND), ("[", SQUARE)):
            for start in self._open[kind]:
                self._multiply(start, factor)

    def _bracket(self, bracket: str) -> None:
        if bracket in "([" and len(self._open[bracket]) < DEEPEST:
            self._open[bracket].append(len(self.pieces))
        elif bracket == ")":
            self._close("(", ROUND, bracket)
        elif bracket == "]":
            self._close("[", SQUARE, bracket)
        else:
            self.pieces.append(_Piece(bracket))

    def _close(self, kind: str, factor: float, text: str) -> None:
        if self._open[kind]:
            self._multiply(self._open[kind].pop(), factor)
        else:
            self.pieces.append(_Piece(text))

    def _multiply(self, start: int, factor: float) -> None:
        for piece in self.pieces[start:]:
            piece.weight = max(-LARGEST, min(LARGEST, piece.weight * factor))


def _split(text: str) -> Iterator[_Piece]:
    first, *more = _BREAK.split(text)
    yield _Piece(first)
    for each in more:
        yield _Piece(None)
        yield _Piece(each)


def _tidy(part: Iterable[Fragment], strip_start: bool, strip_end: bool) -> Part:
    """Neighbours of one weight become one; blanks beside a BREAK go."""
    merged: list[Fragment] = []
    for fragment in part:
        if merged and merged[-1].weight == fragment.weight:
            merged[-1] = Fragment(merged[-1].text + fragment.text, fragment.weight)
        elif fragment.text:
            merged.append(fragment)
    while strip_start and merged and not (text := merged[0].text.lstrip()):
        merged.pop(0)
    if strip_start and merged:
        merged[0] = Fragment(text, merged[0].weight)
    while strip_end and merged and not (text := merged[-1].text.rstrip()):
        merged.pop()
    if strip_end and merged:
        merged[-1] = Fragment(text, merged[-1].weight)
    return tuple(merged)


def _render(fragment: Fragment) -> str:
    text = _TO_ESCAPE.sub(r"\\\g<0>", fragment.text)
    text = _BREAK.sub("BR[]EAK", text)  # the word itself, kept from being a BREAK by a bracket around nothing
    if fragment.weight == 1:
        return text
    return f"({text}:{format(Decimal(repr(fragment.weight)), 'f')})"
