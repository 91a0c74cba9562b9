"""Chance in prompts: the same seed, the same words; every choice can come; nothing is read that is not a list."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.errors import UserError
from engines.prompt import is_dynamic, settle

LISTS = {
    "animal": ["cat", "dog"],
    "place/indoors": ["kitchen"],
    "scene": ["a __animal__ in a __place/indoors__"],
    "loop": ["__loop__"],
    "double": ["__double__ __double__"],
    "weighted": ["3::often", "1::seldom"],
}


def lists(name: str) -> list[str]:
    if name not in LISTS:
        raise UserError("wildcard-unknown", name=name, folder="", nearest=[])
    return LISTS[name]


def outcomes(text: str, seeds: int = 300) -> Counter[str]:
    return Counter(settle(text, seed, lists) for seed in range(seeds))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {red|blue} apple", {"a red apple", "a blue apple"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{|very }old", {"old", "very old"}),
        ("{2$$a|b}", {"a, b", "b, a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$a|b}", {"a", "b", "a, b", "b, a"}),
        ("{9$$a|b}", {"a, b", "b, a"}),
        ("{0$$a|b}", {""}),
        ("{0::never|1::always}", {"always"}),
        ("__animal__", {"cat", "dog"}),
        ("__scene__", {"a cat in a kitchen", "a dog in a kitchen"}),
        ("{__animal__|bird}", {"cat", "dog", "bird"}),
        ("{one thing}", {"{one thing}"}),
        ('{"colour": "red"}', {'{"colour": "red"}'}),
        (r"\{a|b\}", {r"\{a|b\}"}),
        (r"\__animal__", {r"\__animal__"}),
        ("a|b", {"a|b"}),
        ("{a|b", {"{a|b"}),
        ("a}|{b", {"a}|{b"}),
        ("(x:1.2) [a|b]", {"(x:1.2) [a|b]"}),
    ],
)
def test_what_can_come_of_a_text(text: str, expected: set[str]) -> None:
    assert set(outcomes(text)) == expected


def test_weights_say_how_likely() -> None:
    for text in ("{3::often|1::seldom}", "__weighted__"):
        counts = outcomes(text, 2000)
        assert 1400 < counts["often"] < 1600


def test_known_words_for_known_seeds() -> None:
    """These must never change: a record from years ago has to give the same picture."""
    text = "a {red|green|blue} {2$$big|old|wild} __animal__"
    assert [settle(text, seed, lists) for seed in range(4)] == KNOWN


KNOWN = ["a green big, wild dog", "a blue wild, big cat", "a green big, wild cat", "a red big, wild dog"]


def test_prompt_and_negative_prompt_draw_apart() -> None:
    text = "{a|b}{a|b}{a|b}{a|b}{a|b}{a|b}{a|b}{a|b}"
    assert settle(text, 1, lists) != settle(text, 1, lists, "negative prompt")


@pytest.mark.parametrize(("text", "code"), [("__loop__", "wildcard-circular"), ("__double__", "wildcard-circular")])
def test_lists_without_an_end_are_refused(text: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        settle(text, 1, lists)
    assert caught.value.code == code


@given(st.lists(st.sampled_from(["{", "}", "|", "$$", "2$$", "::", "\\", "a", "b ", "_", "1-2$$"])).map("".join))
def test_any_text_can_be_settled_and_settling_is_repeatable(text: str) -> None:
    try:
        first = settle(text, 5, lists)
    except UserError as error:
        assert error.code == "wildcard-unknown"
        return
    assert first == settle(text, 5, lists)
    if not is_dynamic(text):
        assert first == text
