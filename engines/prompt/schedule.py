"""Prompts that change while the picture forms: `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b]`.

`when` is a number of steps, or with a decimal point a share of them; after that many steps the second text takes over.
`[a|b]` takes turns, a step each. What is neither stays as it is written, brackets and all: weights are read later.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

DEEPEST = 50  # brackets within brackets; beyond it they are text
_WHEN = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)


@dataclass(frozen=True)
class Scheduled:
    """`before` for the first `when` steps, then `after`. `when` is the text as written; `short` means no `before` there."""

    before: Text
    after: Text
    when: str
    short: bool = False


@dataclass(frozen=True)
class Alternate:
    """One option a step, in turns."""

    options: tuple[Text, ...]


Text = tuple["str | Scheduled | Alternate", ...]


@dataclass(frozen=True)
class Segment:
    """The prompt's text up to and with step `until`, counted from 1."""

    until: int
    text: str


def parse_schedule(text: str) -> Text:
    """The text with its changing places; any text can be parsed."""
    return _Parser(text).between(0, len(text), 0)


def render_schedule(tree: Text) -> str:
    """The text that was parsed."""
    return "".join(map(_render, tree))


def at_step(tree: Text, step: int, steps: int) -> str:
    """What the prompt says at `step` (from 1) of `steps`."""
    return "".join(each if isinstance(each, str) else at_step(_choice(each, step, steps), step, steps) for each in tree)


def segments(text: str, steps: int) -> tuple[Segment, ...]:
    """The prompt's texts over `steps` steps, in order; neighbours differ. One for a prompt that does not change."""
    tree = parse_schedule(text)
    made: list[Segment] = []
    for step in range(1, max(1, steps) + 1):
        now = at_step(tree, step, steps)
        if made and made[-1].text == now:
            made[-1] = Segment(step, now)
        else:
            made.append(Segment(step, now))
    return tuple(made)


def after_pass(text: str, steps: int) -> str:
    """The text for a second pass after one of `steps` steps: it goes on counting, and shares of steps from 1 to 2 are its own."""
    return render_schedule(_later(parse_schedule(text), steps))


def _later(tree: Text, steps: int) -> Text:
    later: list[str | Scheduled | Alternate] = []
    for node in tree:
        match node:
            case str():
                later.append(node)
            case Alternate(options):
                later.append(Alternate(tuple(_later(option, steps) for option in options)))
            case Scheduled(before, after, when, _):
                left = float(when) - (1 if "." in when else steps)
                if left <= 0:
                    later.extend(_later(after, steps))
                else:
                    rest = f"{left:.6f}" if "." in when else str(int(min(left, 1e6)))
                    later.append(Scheduled(_later(before, steps), _later(after, steps), rest))
    return tuple(later)


def _choice(node: Scheduled | Alternate, step: int, steps: int) -> Text:
    if isinstance(node, Alternate):
        return node.options[(step - 1) % len(node.options)]
    return node.before if step <= _switch(node.when, steps) else node.after


def _switch(when: str, steps: int) -> int:
    value = float(when)
    if "." in when:
        value *= steps
    return int(max(-1.0, min(float(steps), value)))


def _render(node: str | Scheduled | Alternate) -> str:
    match node:
        case str():
            return node
        case Alternate(options):
            return f"[{'|'.join(map(render_schedule, options))}]"
        case Scheduled(before, after, when, short):
            start = "" if short else f"{render_schedule(before)}:"
            return f"[{start}{render_schedule(after)}:{when}]"


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = _matching(text)

    def between(self, start: int, end: int, depth: int) -> Text:
        nodes: list[str | Scheduled | Alternate] = []
        literal = position = start
        while position < end:
            close = self._ends.get(position)
            node = self._node(position, close, depth) if close is not None else None
            if node is None:
                position += 2 if self._text[position] == "\\" else 1
                continue
            nodes.extend(filter(None, (self._text[literal:position], node)))
            literal = position = close + 1  # pyright: ignore - a node has an end
        nodes.extend(filter(None, (self._text[literal:end],)))
        return tuple(nodes)

    def _node(self, start: int, end: int, depth: int) -> Scheduled | Alternate | None:
        if self._text[start] != "[" or depth >= DEEPEST:
            return None
        colons, bars = self._marks(start + 1, end)
        if colons and len(colons) <= 2 and _WHEN.fullmatch(self._text, colons[-1] + 1, end):
            return self._scheduled(start, colons, end, depth)
        if bars and not colons:
            edges = [start, *bars, end]
            pairs = itertools.pairwise(edges)
            return Alternate(tuple(self.between(left + 1, right, depth + 1) for left, right in pairs))
        return None

    def _scheduled(self, start: int, colons: list[int], end: int, depth: int) -> Scheduled:
        short = len(colons) == 1
        before = () if short else self.between(start + 1, colons[0], depth + 1)
        after = self.between((start if short else colons[0]) + 1, colons[-1], depth + 1)
        return Scheduled(before, after, self._text[colons[-1] + 1 : end], short)

    def _marks(self, start: int, end: int) -> tuple[list[int], list[int]]:
        """Where colons and bars stand between `start` and `end` outside inner brackets."""
        found: dict[str, list[int]] = {":": [], "|": []}
        position = start
        while position < end:
            character = self._text[position]
            if character in found:
                found[character].append(position)
            position = self._ends.get(position, position + (character == "\\")) + 1
        return found[":"], found["|"]


def _matching(text: str) -> dict[int, int]:
    """The closing place of each opening bracket that has one; a bracket of the other kind in between closes nothing."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for position in _brackets(text):
        character = text[position]
        if character in "([":
            opened.append(position)
        elif opened and text[opened[-1]] == ("(" if character == ")" else "["):
            ends[opened.pop()] = position
    return ends


def _brackets(text: str) -> Iterator[int]:
    for match in re.finditer(r"\\.|[()\[\]]", text, re.DOTALL):
        if match[0][0] != "\\":
            yield match.start()
