"""The counter without torch agrees with the tokenizer of the encoder, token by token, and counts chunks as it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.prompt.tokens import TokenCount, _clip, count_tokens
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.tiny import TOKENIZER
from engines.tokenizers import load_bundled_tokenizer

NOWHERE = Path("no-such-folder")
PIECES = ["a red,", "café's", "12", "<|endoftext|>", "🍎", "don't\n\t", "é", "ABC"]
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES)).map(" ".join))


@pytest.fixture(scope="module")
def theirs():
    from transformers import CLIPTokenizer

    return {TOKENIZER: CLIPTokenizer.from_pretrained(TOKENIZER), NOWHERE: load_bundled_tokenizer("clip")}


@pytest.mark.parametrize("folder", [TOKENIZER, NOWHERE], ids=["the model's", "the one that Easel brings"])
def test_tokens_are_those_of_the_encoder(theirs, folder: Path) -> None:
    @settings(max_examples=150)
    @given(TEXTS)
    def agree(text: str) -> None:
        assert (
            _clip(folder).encode(text, add_special_tokens=False).ids
            == theirs[folder](text, add_special_tokens=False).input_ids
        )

    agree()


def record(path: Path = NOWHERE, family: str = "sd15") -> ModelRecord:
    return ModelRecord("m", "M", family, path, "diffusers-folder", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", TokenCount(0, 75, 1)),
        ("a photo of a cat", TokenCount(5, 75, 1)),
        ("a (photo:1.3) of [a] cat <lora:film:0.8>", TokenCount(5, 75, 1)),
        ("apple " * 75, TokenCount(75, 75, 1)),
        ("apple " * 76, TokenCount(76, 150, 2)),
        ("apple BREAK house", TokenCount(76, 150, 2)),
        ("a [cat:very old dog:0.5]", TokenCount(4, 75, 1)),
        ("apple " * 60 + ", " + "house " * 20, TokenCount(95, 150, 2)),
    ],
)
def test_counts(text: str, expected: TokenCount) -> None:
    assert count_tokens(record(), REGISTRY.get("sd15"), text) == expected


def test_a_family_that_takes_plain_words_has_an_end(tiny_models: dict[str, ModelRecord]) -> None:
    family = replace(REGISTRY.get("sd15"), text=replace(REGISTRY.get("sd15").text, weights=False, tokens=512))
    folder = tiny_models["sd15"]
    count = count_tokens(folder, family, "a (red:1.3) apple")
    assert count is not None and count.room == 512 and not count.cut
    short = replace(family, text=replace(family.text, tokens=2))
    assert count_tokens(folder, short, "a red apple").cut  # pyright: ignore
    assert count_tokens(record(), family, "a red apple") is None
