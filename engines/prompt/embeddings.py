"""Words that stand for trained vectors (textual inversion): a file's name alone, `embedding:name` or `<embedding:name>`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TypeVar

from engines.tokenizers import bundled_vocabulary

_NAMED = re.compile(r"<embed(?:ding)?:([^<>:]+)>|(?<![\w-])embedding:([\w.-]+)", re.IGNORECASE)

Value = TypeVar("Value")


def named_embeddings(text: str) -> tuple[str, ...]:
    """The names that the text says to be embeddings, in order: ComfyUI's `embedding:name`, and `<embedding:name>`."""
    found = (tag.strip() or word.rstrip(".") for tag, word in _NAMED.findall(text))
    return tuple(dict.fromkeys(name for name in found if name))


def split_words(text: str, names: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The text in pieces with either words or the name (of `names`, in any case) of an embedding: ("a ", ""), ("", "x")."""
    if not names:
        return ((text, ""),)
    spelled = {name.casefold(): name for name in names}
    pieces: list[tuple[str, str]] = []
    end = 0
    for match in _pattern(tuple(sorted(names, key=len, reverse=True))).finditer(text):
        pieces += [(text[end : match.start()], ""), ("", spelled[(match[1] or match[2]).casefold()])]
        end = match.end()
    pieces.append((text[end:], ""))
    return tuple(piece for piece in pieces if piece[0].strip() or piece[1])


def used_embeddings(text: str, known: Mapping[str, Value]) -> dict[str, Value]:
    """Those of `known` whose names stand in the text."""
    return {name: known[name] for _words, name in split_words(text, known) if name}


def is_ordinary_word(name: str) -> bool:
    """Whether CLIP knows the name as one word, as it does "cat": then it may be meant as a word."""
    return name.isalpha() and f"{name.casefold()}</w>" in _vocabulary()


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    return frozenset(bundled_vocabulary()[0])


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(map(re.escape, names))
    return re.compile(rf"<embed(?:ding)?:\s*({words})\s*>|(?<![\w-])(?:embedding:)?({words})(?![\w-])", re.IGNORECASE)
