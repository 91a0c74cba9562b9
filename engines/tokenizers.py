"""Tokenizers that Easel brings, so that a lone weight file makes a picture without a hub being asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.messages import RESOURCES

# Kind of words to what is special about them. SDXL's second text encoder pads with "!", which is token 0.
TOKENIZERS: Mapping[str, Mapping[str, str]] = {"clip": {}, "clip-padded-with-0": {"pad_token": "!"}}
LENGTH = 77  # tokens that CLIP reads, marks included


def load_bundled_tokenizer(kind: str) -> Any:
    """The tokenizer called `kind`: 49,408 tokens. Imports transformers."""
    from transformers import CLIPTokenizer

    vocabulary, merges = bundled_vocabulary()
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH, **TOKENIZERS[kind])  # pyright: ignore


def bundled_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's words by number and its merges, made of the list of merges alone.

    Source: the construction in OpenAI's CLIP, `clip/simple_tokenizer.py`: bytes, bytes that end a word, merges, two marks.
    """
    text = (RESOURCES / "tokenizers" / "clip" / "merges.txt").read_text(encoding="utf-8")
    merges = [(left, right) for left, right in (line.split(" ") for line in text.splitlines())]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(left + right for left, right in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(words)}, merges


def _letters() -> list[str]:
    """A printable letter for each of the 256 bytes, printable bytes first, as byte-level encodings have them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = range(256 - len(printable))
    return [chr(each) for each in printable] + [chr(256 + each) for each in others]
