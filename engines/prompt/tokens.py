"""How many tokens a prompt has, counted as the text encoder will read it, without the libraries that encode."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.family import EngineFamily
from engines.prompt.attention import parse_weights
from engines.prompt.chunks import CHUNK, Whole, split_chunks
from engines.prompt.embeddings import split_words
from engines.prompt.networks import take_networks
from engines.prompt.plain import plain_text
from engines.prompt.schedule import segments
from engines.records import ModelRecord
from engines.tokenizers import bundled_vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STEPS = 20  # for prompts that change: the longest of their texts counts, and shares of steps need a number of them
# What CLIP counts as a word before it is taken apart. Source: the pattern in OpenAI's CLIP, `clip/simple_tokenizer.py`.
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True)
class TokenCount:
    """`tokens` of `room`; `room` grows by 75 with each chunk where the model reads any length, else more is cut off."""

    tokens: int
    room: int | None
    chunks: int = 1

    @property
    def cut(self) -> bool:
        """Whether the model does not see the end of the prompt."""
        return self.room is not None and self.tokens > self.room


def count_tokens(
    record: ModelRecord, family: EngineFamily, text: str, embeddings: Mapping[str, int] | None = None
) -> TokenCount | None:
    """The prompt's tokens for the model; None when the model's tokenizer is nowhere to be found.

    `embeddings` are names that stand for so many vectors, each of which counts as a token.
    """
    words, _networks = take_networks(text)
    if not family.text.weights:
        return _plain_count(record, family, plain_text(words)[0])
    tokenizer = _clip(_folder(record, family.text.readers[0].tokenizer))
    counts = [_count(tokenizer, each.text, embeddings or {}) for each in segments(words, STEPS)]
    return max(counts, key=lambda count: count.tokens)


def _count(tokenizer: Tokenizer, text: str, embeddings: Mapping[str, int]) -> TokenCount:
    def tokens(words: str, name: str) -> Sequence[int]:
        return Whole([0] * embeddings[name]) if name else tokenizer.encode(words, add_special_tokens=False).ids

    parts = [
        [(tokens(*piece), each.weight) for each in part for piece in split_words(each.text, embeddings)]
        for part in parse_weights(text)
    ]
    chunks = split_chunks(parts, tokenizer.token_to_id(",</w>"))
    return TokenCount((len(chunks) - 1) * CHUNK + len(chunks[-1].tokens), len(chunks) * CHUNK, len(chunks))


def _plain_count(record: ModelRecord, family: EngineFamily, text: str) -> TokenCount | None:
    folder = _folder(record, family.text.tokenizer)
    tokenizer = _from_file(folder / "tokenizer.json")
    if tokenizer is None:
        return None
    return TokenCount(len(tokenizer.encode(text, add_special_tokens=False).ids), family.text.tokens or _length(folder))


def _folder(record: ModelRecord, part: str) -> Path:
    return record.sources.get(part, record.path / part)


def _length(folder: Path) -> int | None:
    """What the tokenizer's own configuration says, less two marks; some say a number that means nothing."""
    length = _json(folder / "tokenizer_config.json").get("model_max_length")
    return length - 2 if isinstance(length, int) and length < 1_000_000 else None


@functools.lru_cache(maxsize=4)
def _from_file(path: Path) -> Tokenizer | None:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path)) if path.is_file() else None


@functools.lru_cache(maxsize=4)
def _clip(folder: Path) -> Tokenizer:
    """CLIP's tokenizer with the words of the model's folder, or with the usual ones."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    vocabulary, merges = _words(folder) or bundled_vocabulary()
    end = "<|endoftext|>"
    made = Tokenizer(BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>", unk_token=end))
    steps = [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    made.normalizer = normalizers.Sequence(steps)  # pyright: ignore
    words = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([words, letters])  # pyright: ignore
    made.add_special_tokens(["<|startoftext|>", end])
    return made


def _words(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]] | None:
    model = _json(folder / "tokenizer.json").get("model", {})
    if model.get("vocab"):
        merges = [each.split(" ") if isinstance(each, str) else each for each in model.get("merges", [])]
        return model["vocab"], [(left, right) for left, right in merges]
    vocabulary, path = _json(folder / "vocab.json"), folder / "merges.txt"
    if not vocabulary or not path.is_file():
        return None
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#version")]
    return vocabulary, [(left, right) for left, right in (line.split(" ") for line in lines)]


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
