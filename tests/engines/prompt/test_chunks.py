"""Chunks of 75 tokens, against a slow and plain reckoning of the same rule; networks; plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.prompt import Network, plain_text, split_chunks, take_networks
from engines.prompt.chunks import BACKTRACK

COMMA = 0


def reckoned(tokens: list[int], size: int) -> list[list[int]]:
    """The rule by hand: cut at `size`, or behind the last comma when fewer than BACKTRACK tokens follow it."""
    rest, made = tokens, []
    while len(rest) > size:
        cut = size
        commas = [index for index in range(size) if rest[index] == COMMA]
        if commas and rest[size] != COMMA and size - (commas[-1] + 1) < BACKTRACK:
            cut = commas[-1] + 1
        made.append(rest[:cut])
        rest = rest[cut:]
    return [*made, rest]


@given(st.lists(st.integers(0, 6), max_size=300), st.integers(21, 80))
def test_chunks_follow_the_rule(tokens: list[int], size: int) -> None:
    chunks = split_chunks([[(tokens, 1.0)]], COMMA, size)
    assert [list(chunk.tokens) for chunk in chunks] == reckoned(tokens, size)


@given(st.lists(st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=60), st.floats(0, 2)), max_size=4), min_size=1))
def test_no_token_is_lost_and_each_keeps_its_weight(parts: list[list[tuple[list[int], float]]]) -> None:
    chunks = split_chunks(parts, COMMA)
    pairs = [(token, weight) for part in parts for tokens, weight in part for token in tokens]
    made = [pair for chunk in chunks for pair in zip(chunk.tokens, chunk.weights, strict=True)]
    assert made == pairs
    assert all(len(chunk.tokens) <= 75 for chunk in chunks)


@pytest.mark.parametrize(
    ("parts", "lengths"),
    [
        ([[]], [0]),
        ([[([1, 2], 1.0)], [([3], 1.0)]], [2, 1]),
        ([[([1], 1.0)], [], [([3], 1.0)]], [1, 0, 1]),
        ([[([1], 1.0)], []], [1]),
        ([[], [([1], 1.0)]], [0, 1]),
        ([[([1] * 75, 1.0)], [([1], 1.0)]], [75, 1]),
        ([[([1] * 75, 1.0)]], [75]),
        ([[([1] * 60 + [COMMA] + [1] * 20, 1.0)]], [61, 20]),
        ([[([1] * 50 + [COMMA] + [1] * 30, 1.0)]], [75, 6]),
    ],
)
def test_where_chunks_end(parts: list[list[tuple[list[int], float]]], lengths: list[int]) -> None:
    assert [len(chunk.tokens) for chunk in split_chunks(parts, COMMA)] == lengths


@pytest.mark.parametrize(
    ("text", "words", "networks"),
    [
        ("a cat", "a cat", []),
        ("a <lora:Old Film:0.8>cat", "a cat", [Network("Old Film", 0.8, 0.8)]),
        ("<lora:x>", "", [Network("x", 1.0, 1.0)]),
        ("<lora:x:0.5:0.9>", "", [Network("x", 0.9, 0.5)]),
        ("<lora:x:te=0:unet=-1>", "", [Network("x", -1.0, 0.0)]),
        ("<lora:x:0.7:te=0.2>", "", [Network("x", 0.2, 0.2)]),
        ("<lyco:y:1><lora:x:1>", "", [Network("y"), Network("x")]),
        ("<lora:x:much>", "<lora:x:much>", []),
        ("<lora::1> a < b", "<lora::1> a < b", []),
        (r"\<lora:x:1>", r"\<lora:x:1>", []),
    ],
)
def test_networks(text: str, words: str, networks: list[Network]) -> None:
    assert take_networks(text) == (words, tuple(networks))


@pytest.mark.parametrize(
    ("text", "words", "dropped"),
    [
        ("a (red) [apple]", "a (red) [apple]", ()),
        ("a (red:1.3) apple", "a red apple", ("weights",)),
        ("((a:1.2) b:0.5)", "a b", ("weights",)),
        ("a BREAK b", "a b", ("BREAK",)),
        ("a [red:blue:0.5] apple", "a red apple", ("changes over time",)),
        ("[a|b] (c:2)", "a c", ("changes over time", "weights")),
        (r"a \(red\) apple", "a (red) apple", ()),
        ("at 10:30, (a: b)", "at 10:30, (a: b)", ()),
    ],
)
def test_plain_words(text: str, words: str, dropped: tuple[str, ...]) -> None:
    assert plain_text(text) == (words, dropped)


@given(st.text(max_size=80))
def test_plain_words_of_any_text(text: str) -> None:
    plain_text(text)
    take_networks(text)
