"""Prompts that change over the steps: what A1111's documentation shows, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.prompt import after_pass, at_step, parse_schedule, render_schedule, segments

from .test_weights import TEXTS

# Examples of the grammar from A1111's own documentation, for ten steps: last step and text of each stretch.
PUBLISHED = [
    ("test", [(10, "test")]),
    ("a [b:3]", [(3, "a "), (10, "a b")]),
    ("a [b: 3]", [(3, "a "), (10, "a b")]),
    ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
    ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
    ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
    ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
    ("a [unbalanced", [(10, "a [unbalanced")]),
    ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
    ("a [{b|d{:.5] c", [(5, "a  c"), (10, "a {b|d{ c")]),
    ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
    ("[a|(b:1.1)]", [(step, "a" if step % 2 else "(b:1.1)") for step in range(1, 11)]),
    ("[fe|]male", [(step, "female" if step % 2 else "male") for step in range(1, 11)]),
    (
        "[fe|||]male",
        [(1, "female"), (4, "male"), (5, "female"), (8, "male"), (9, "female"), (10, "male")],
    ),
]


@pytest.mark.parametrize(("text", "expected"), PUBLISHED)
def test_published_examples(text: str, expected: list[tuple[int, str]]) -> None:
    assert [(each.until, each.text) for each in segments(text, 10)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a::4]", [(4, "a"), (10, "")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:c]", [(10, "[a:b:c]")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("[3]", [(10, "[3]")]),
        (r"\[a:b:3]", [(10, r"\[a:b:3]")]),
        (r"[a\]:b:3]", [(3, r"a\]"), (10, "b")]),
        ("[(a|b):c:3]", [(3, "(a|b)"), (10, "c")]),
        ("[[a|b]:2]", [(2, "")] + [(step, "b" if step % 2 == 0 else "a") for step in range(3, 11)]),
    ],
)
def test_what_a_text_means(text: str, expected: list[tuple[int, str]]) -> None:
    assert [(each.until, each.text) for each in segments(text, 10)] == expected


@given(TEXTS)
def test_any_text_can_be_parsed_and_written_again(text: str) -> None:
    assert render_schedule(parse_schedule(text)) == text


@given(TEXTS, st.integers(1, 12))
def test_the_stretches_cover_every_step_once(text: str, steps: int) -> None:
    made = segments(text, steps)
    tree = parse_schedule(text)
    assert made[-1].until == steps
    for step in range(1, steps + 1):
        now = next(each.text for each in made if step <= each.until)
        assert now == at_step(tree, step, steps)


def test_a_very_deep_prompt_is_text_at_last() -> None:
    deep = "[a:" * 3000 + "b" + ":3]" * 3000
    assert render_schedule(parse_schedule(deep)) == deep


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a [b:c:0.5] d", "a c d"),
        ("a [b:c:5] d", "a c d"),
        ("a [b::1.0]", "a "),
        ("a [b:c:1.5] d", "a [b:c:0.500000] d"),
        ("a [b:c:25] d", "a [b:c:5] d"),
        ("[a|[b:c:0.5]]", "[a|c]"),
        ("(a:1.2) b", "(a:1.2) b"),
    ],
)
def test_a_second_pass_goes_on_counting(text: str, expected: str) -> None:
    assert after_pass(text, 20) == expected


@given(TEXTS)
def test_any_text_has_a_second_pass(text: str) -> None:
    after_pass(text, 20)
