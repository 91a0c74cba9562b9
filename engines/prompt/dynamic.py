"""Chance in prompts, settled once by the seed: `{a|b}`, `{2$$a|b|c}` and `__name__` for a line of a list.

The same text, lists and seed always give the same words, on every machine and in every version: choices are drawn from
a generator seeded with the picture's seed, one number a choice, in the order of the text.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence

from engines.errors import UserError

DEEPEST = 20  # lists within lists
LONGEST = 20_000  # characters of a settled prompt; a few lists that name each other twice would fill the memory
NUMBERED = re.compile(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*\$\$")
WEIGHTED = re.compile(r"\s*(\d+\.?\d*|\.\d+)::")
WILDCARD = re.compile(r"__([\w\-./ *]*?[\w\-.*])__(?!_)")
_TOKEN = re.compile(r"\\.|[{}|]|" + WILDCARD.pattern, re.DOTALL)

Lists = Callable[[str], Sequence[str]]


def is_dynamic(text: str) -> bool:
    """Whether the text may leave something to chance."""
    return WILDCARD.search(text) is not None or ("{" in text and ("|" in text or "$$" in text))


def settle(text: str, seed: int, lists: Lists, which: str = "prompt") -> str:
    """The text with every choice made. `lists` gives the lines of a named list and raises `UserError` for a name unknown.

    `which` keeps prompt and negative prompt of one picture from drawing the same numbers. A text that leaves nothing to
    chance comes back as it is. Raises `UserError("wildcard-circular")` for lists that name each other without an end.
    """
    if not is_dynamic(text):
        return text
    return _Settling(random.Random(f"{seed}/{which}"), lists).settled(text, 0)


class _Settling:
    def __init__(self, chance: random.Random, lists: Lists) -> None:
        self._chance, self._lists = chance, lists
        self._room = LONGEST

    def settled(self, text: str, depth: int) -> str:
        self._room -= len(text)
        if depth > DEEPEST or self._room < 0:
            raise UserError("wildcard-circular", deepest=DEEPEST, longest=LONGEST)
        return "".join(self._pieces(text, depth))

    def _pieces(self, text: str, depth: int) -> Iterator[str]:
        ends, position = _braces(text), 0
        while match := _TOKEN.search(text, position):
            yield text[position : match.start()]
            position = match.end()
            if match[1]:
                yield self._wildcard(match[1], depth)
            elif (end := ends.get(match.start())) is not None:
                yield self._choice(text[match.end() : end], depth)
                position = end + 1
            else:
                yield match[0]
        yield text[position:]

    def _wildcard(self, name: str, depth: int) -> str:
        return self.settled(self._drawn([_weighted(line) for line in self._lists(name)], 1)[0], depth + 1)

    def _choice(self, inside: str, depth: int) -> str:
        options = _options(inside)
        numbered = NUMBERED.match(options[0])
        if numbered is None and len(options) == 1:
            return "{" + self.settled(inside, depth + 1) + "}"  # braces around one thing are braces
        joint, least, most = ", ", 1, 1
        if numbered is not None:
            options[0] = options[0][numbered.end() :]
            least, most = int(numbered[1]), int(numbered[2] or numbered[1])
            if "$$" in options[0]:
                joint, _, options[0] = options[0].partition("$$")
        count = least + int(self._chance.random() * (most - least + 1)) if most > least else least
        drawn = self._drawn([_weighted(option) for option in options], min(count, len(options)))
        return joint.join(self.settled(each, depth + 1) for each in drawn)

    def _drawn(self, options: list[tuple[str, float]], count: int) -> list[str]:
        """So many different options, in the order in which they were drawn; weight says how likely each is."""
        left, drawn = list(options), []
        for _ in range(count):
            place = self._chance.random() * sum(weight for _text, weight in left)
            index = next((i for i, end in enumerate(_sums(left)) if place < end), len(left) - 1)
            drawn.append(left.pop(index)[0])
        return drawn


def _sums(options: list[tuple[str, float]]) -> Iterator[float]:
    total = 0.0
    for _text, weight in options:
        total += weight
        yield total


def _weighted(option: str) -> tuple[str, float]:
    match = WEIGHTED.match(option)
    return (option[match.end() :], float(match[1])) if match else (option, 1.0)


def _options(inside: str) -> list[str]:
    """What stands between the bars that are not within inner braces."""
    ends, bars, position = _braces(inside), [-1], 0
    while match := _TOKEN.search(inside, position):
        position = match.end()
        if match[0] == "|":
            bars.append(match.start())
        elif (end := ends.get(match.start())) is not None:
            position = end + 1
    edges = [*bars, len(inside)]
    return [inside[left + 1 : right] for left, right in itertools.pairwise(edges)]


def _braces(text: str) -> dict[int, int]:
    """The closing place of each opening brace that has one."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in _TOKEN.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            ends[opened.pop()] = match.start()
    return ends
