"""Weights: what A1111's documentation shows, and what must hold for any text."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.prompt import Fragment, parse_weights, render_weights

# What A1111's own documentation gives as examples of its grammar, as text, weight pairs.
PUBLISHED = [
    ("normal text", [("normal text", 1.0)]),
    ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
    ("(unbalanced", [("unbalanced", 1.1)]),
    (r"\(literal\]", [("(literal]", 1.0)]),
    ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
    (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        [
            ("a ", 1.0),
            ("house", 1.573),
            (" ", 1.1),
            ("on", 1.0),
            (" a ", 1.1),
            ("hill", 0.55),
            (", sun, ", 1.1),
            ("sky", 1.4641),
            (".", 1.1),
        ],
    ),
]
# Text made of what the grammar is made of: the hard cases come up at once.
GRAMMAR = st.lists(
    st.sampled_from(["(", ")", "[", "]", ":", "|", "\\", " ", "BREAK", "1.3", "0.5", ":2)", "cat", "x", ",", "\n"])
).map("".join)
TEXTS = st.one_of(GRAMMAR, st.text(max_size=60))


@pytest.mark.parametrize(("text", "expected"), PUBLISHED)
def test_published_examples(text: str, expected: list[tuple[str, float]]) -> None:
    (part,) = parse_weights(text)
    assert [fragment.text for fragment in part] == [words for words, _weight in expected]
    assert [fragment.weight for fragment in part] == pytest.approx([weight for _words, weight in expected])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [[]]),
        ("a BREAK b", [[("a", 1)], [("b", 1)]]),
        ("a\n BREAK (b)", [[("a", 1)], [("b", 1.1)]]),
        ("(a BREAK b:2)", [[("a", 2)], [("b", 2)]]),
        ("a BREAK BREAK b", [[("a", 1)], [], [("b", 1)]]),
        ("BREAKFAST", [[("BREAKFAST", 1)]]),
        ("(a:-1)", [[("a", -1)]]),
        ("(a: .5 )", [[("a", 0.5)]]),
        ("(a:1.2.3)", [[("a:1.2.3", 1.1)]]),
        ("a:1.3)", [[("a:1.3)", 1)]]),
        ("a) b]", [[("a) b]", 1)]]),
        (r"\o/", [[(r"\o/", 1)]]),
        (r"a \\(b)", [[("a \\", 1), ("b", 1.1)]]),
        (r"\{a\|b\}", [[("{a|b}", 1)]]),
        ("()", [[]]),
    ],
)
def test_what_a_text_means(text: str, expected: list[list[tuple[str, float]]]) -> None:
    assert [[(each.text, each.weight) for each in part] for part in parse_weights(text)] == expected


@given(TEXTS)
def test_any_text_can_be_parsed_and_written_again(text: str) -> None:
    parts = parse_weights(text)
    assert parse_weights(render_weights(parts)) == parts
    for part in parts:
        assert all(fragment.text for fragment in part)
        assert all(left.weight != right.weight for left, right in itertools.pairwise(part))


@given(st.lists(st.floats(0.05, 3, allow_subnormal=False).map(lambda number: round(number, 3)), max_size=6))
def test_weights_multiply(weights: list[float]) -> None:
    text, product = "cat", 1.0
    for weight in weights:
        text = f"({text}:{weight:f})"
        product *= weight
    assert parse_weights(text) == ((Fragment("cat", pytest.approx(product)),),)


@given(st.integers(0, 12), st.integers(0, 12))
def test_round_and_square_brackets_undo_each_other(rounds: int, squares: int) -> None:
    ((fragment,),) = parse_weights("(" * rounds + "[" * squares + "cat" + "]" * squares + ")" * rounds)
    assert fragment.weight == pytest.approx(1.1 ** (rounds - squares))


@given(st.text(max_size=40))
def test_an_escaped_text_is_the_text(text: str) -> None:
    escaped = "".join(f"\\{each}" if each in "\\()[]" else each for each in text)
    parts = parse_weights(escaped)
    if "BREAK" not in text:
        assert "".join(each.text for each in parts[0]) == text


def test_a_very_long_or_deep_prompt_takes_no_time_to_speak_of() -> None:
    started = time.process_time()
    parse_weights("(a" * 20_000)
    parse_weights("(a:1.1)" * 20_000)
    assert time.process_time() - started < 3
