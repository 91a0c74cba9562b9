"""Tokens in chunks of 75, because CLIP reads no more at once. Where a chunk would end within a phrase, a comma ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 75  # CLIP has 77 places; one marks the start and one the end
BACKTRACK = 20  # tokens; a phrase after a comma so near the end of a chunk goes to the next one whole (A1111's default)


class Whole(tuple[int, ...]):
    """Tokens that stay in one chunk: the vectors of one embedding."""


Tokens = Sequence[tuple[Sequence[int], float]]


@dataclass(frozen=True)
class Chunk:
    """Up to 75 tokens and a weight for each; neither filled up nor marked yet."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]


def split_chunks(parts: Sequence[Tokens], comma: int | None, size: int = CHUNK) -> tuple[Chunk, ...]:
    """The chunks of a prompt, at least one. `parts` are what stands between BREAKs: token ids with a weight a run."""
    chunks: list[Chunk] = []
    for index, part in enumerate(parts):
        if index and index == len(parts) - 1 and not any(tokens for tokens, _weight in part):
            break  # nothing stands behind the last BREAK
        chunks.extend(_Splitter(comma, size).split(part))
    return tuple(chunks)


class _Splitter:
    """Fills chunks; a part without tokens is a chunk of its own, so that BREAK BREAK leaves one empty."""

    def __init__(self, comma: int | None, size: int) -> None:
        self._comma, self._size = comma, size
        self._chunks: list[Chunk] = []
        self._tokens: list[int] = []
        self._weights: list[float] = []
        self._after_comma: int | None = None  # where the phrase began that is being read

    def split(self, part: Tokens) -> list[Chunk]:
        for tokens, weight in part:
            if isinstance(tokens, Whole) and len(self._tokens) + len(tokens) > self._size and self._tokens:
                self._cut(len(self._tokens))
            for token in tokens:
                self._add(token, weight)
        if self._tokens or not self._chunks:
            self._cut(len(self._tokens))
        return self._chunks

    def _add(self, token: int, weight: float) -> None:
        if len(self._tokens) == self._size:
            self._cut(self._place_to_cut(token))
        self._tokens.append(token)
        self._weights.append(weight)
        if token == self._comma:
            self._after_comma = len(self._tokens)

    def _place_to_cut(self, next_token: int) -> int:
        """After the last comma, when it is near and the next token does not end the phrase by itself."""
        start = self._after_comma
        if next_token == self._comma or start is None or self._size - start >= BACKTRACK:
            return self._size
        return start

    def _cut(self, place: int) -> None:
        self._chunks.append(Chunk(tuple(self._tokens[:place]), tuple(self._weights[:place])))
        self._tokens, self._weights = self._tokens[place:], self._weights[place:]
        self._after_comma = None
