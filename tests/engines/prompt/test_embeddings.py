"""Names of embeddings in prompts: as words, as tags, within weights; what is only like a name stays words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.prompt import (
    Whole,
    is_ordinary_word,
    named_embeddings,
    parse_weights,
    split_chunks,
    split_words,
    used_embeddings,
)

NAMES = ("easynegative", "easynegative-v2", "bad.hands 5", "cat")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog", [("a dog", "")]),
        ("EasyNegative, blurry", [("", "easynegative"), (", blurry", "")]),
        ("easynegative-v2", [("", "easynegative-v2")]),
        ("easynegatives, my-cat, cat_2", [("easynegatives, my-cat, cat_2", "")]),
        ("x bad.hands 5 y", [("x ", ""), ("", "bad.hands 5"), (" y", "")]),
        ("embedding:cat", [("", "cat")]),
        ("<embedding:easynegative> <embed: cat >", [("", "easynegative"), ("", "cat")]),
        ("embedding:ghost", [("embedding:ghost", "")]),
    ],
)
def test_names_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(split_words(text, NAMES)) == expected


@given(st.lists(st.sampled_from([*NAMES, "dog", "(", ")", ":1.2", ",", "-", "<embedding:cat>"])).map(" ".join))
def test_nothing_is_lost(text: str) -> None:
    made = "".join(words or name for words, name in split_words(text, NAMES))
    plain = text.replace("<embedding:cat>", "cat").replace(" ", "")
    assert made.replace(" ", "") == plain.replace(" ", "")


def test_explicit_names() -> None:
    assert named_embeddings("(embedding:bad-hands_5:1.2), <embed:x y>. embedding:z.") == ("bad-hands_5", "x y", "z")
    assert named_embeddings("an embedding: a thing") == ()


def test_weights_reach_names() -> None:
    (part,) = parse_weights("a (easynegative:1.2) b")
    found = [(name, each.weight) for each in part for _words, name in split_words(each.text, NAMES) if name]
    assert found == [("easynegative", 1.2)]


def test_used_ones() -> None:
    assert used_embeddings("a CAT sat", {"cat": 1, "dog": 2}) == {"cat": 1}


def test_ordinary_words() -> None:
    assert is_ordinary_word("cat") and is_ordinary_word("Beautiful")
    assert not is_ordinary_word("easynegative") and not is_ordinary_word("bad-hands-5")


def test_vectors_of_one_name_stay_together() -> None:
    chunks = split_chunks([[(range(1, 74), 1.0), (Whole([-1, -2, -3]), 1.0)]], 0)
    assert [len(chunk.tokens) for chunk in chunks] == [73, 3]
    assert len(split_chunks([[(Whole(range(80)), 1.0)]], 0)) == 2
