"""Words to conditions for families that read with CLIP: weights, any length, the layer that clip skip asks for.

A prompt without markup, of up to 75 tokens, gives the very numbers that the pipeline's own `encode_prompt` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engines.family import Clip
from engines.pipeline.embeddings import Embeddings, in_place
from engines.prompt import Chunk, Fragment, Whole, parse_weights, split_chunks
from engines.types import Emphasis


@dataclass(frozen=True)
class Encoded:
    """One text for a denoiser: `embeds` [1, 77 * chunks, width], `pooled` [1, width] where the family has it."""

    embeds: torch.Tensor
    pooled: torch.Tensor | None = None


class ClipEncoder:
    """Encodes with the text encoders of one pipeline, side by side as the family's `clips` say."""

    def __init__(self, pipe: Any, clips: Sequence[Clip], device: str, embeddings: Embeddings | None = None) -> None:
        known = embeddings or Embeddings()
        there = [clip for clip in clips if getattr(pipe, clip.encoder, None) is not None]
        self._readers = [_Reader(pipe, clip, device, known) for clip in there]

    def encode(self, text: str, clip_skip: int = 1, emphasis: Emphasis = Emphasis.ORIGINAL) -> Encoded:
        """The text as conditions; weights count as `emphasis` says."""
        sides = [reader.read(text, clip_skip, emphasis) for reader in self._readers]
        longest = max(len(chunks) for chunks in sides)
        for reader, chunks in zip(self._readers, sides, strict=True):
            chunks.extend(reader.empty(clip_skip) for _ in range(longest - len(chunks)))
        embeds = torch.cat([torch.cat([chunk.embeds for chunk in side], dim=1) for side in sides], dim=-1)
        return Encoded(embeds, sides[-1][0].pooled)

    def lengthen(self, encoded: Encoded, length: int, clip_skip: int = 1) -> Encoded:
        """The same, with chunks of no words behind it until `embeds` has `length` places."""
        missing = (length - encoded.embeds.shape[1]) // self._readers[0].places
        if missing <= 0:
            return encoded
        empty = torch.cat([reader.empty(clip_skip).embeds for reader in self._readers], dim=-1)
        return Encoded(torch.cat([encoded.embeds, *[empty] * missing], dim=1), encoded.pooled)


class _Reader:
    """One text encoder with its tokenizer."""

    def __init__(self, pipe: Any, clip: Clip, device: str, embeddings: Embeddings) -> None:
        self._pipe, self._clip, self._device, self._embeddings = pipe, clip, device, embeddings
        self._tokenizer, self._encoder = getattr(pipe, clip.tokenizer), getattr(pipe, clip.encoder)
        self.places = self._tokenizer.model_max_length
        self._comma = self._tokenizer.convert_tokens_to_ids(",</w>")

    def read(self, text: str, clip_skip: int, emphasis: Emphasis) -> list[Encoded]:
        """The text's chunks, each [1, places, width], encoded one by one: a chunk's numbers do not hang on its neighbours."""
        parts = ((Fragment(text),),) if emphasis is Emphasis.NONE else parse_weights(text)
        book: list[torch.Tensor] = []
        tokens = [
            [(self._ids(*piece, book), each.weight) for each in part for piece in self._embeddings.pieces(each.text)]
            for part in parts
        ]
        chunks = split_chunks(tokens, self._comma, self.places - 2)
        return [self._encode(chunk, clip_skip, emphasis, book) for chunk in chunks]

    def empty(self, clip_skip: int) -> Encoded:
        """A chunk of no words."""
        return self._encode(Chunk((), ()), clip_skip, Emphasis.NONE)

    def _ids(self, text: str, name: str, book: list[torch.Tensor]) -> Sequence[int]:
        """Tokens of words; vectors are written into `book`, and -1, -2, … stand for its first, second, …"""
        if name:
            vectors = self._embeddings.vectors(name, self._encoder, self._clip.vectors)
            book.extend(vectors)
            return Whole(range(len(vectors) - len(book) - 1, -len(book) - 1, -1))
        return self._tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids

    def _encode(self, chunk: Chunk, clip_skip: int, emphasis: Emphasis, book: Sequence[torch.Tensor] = ()) -> Encoded:
        marks = self._tokenizer
        ids = [marks.bos_token_id, *chunk.tokens, marks.eos_token_id]
        ids += [marks.pad_token_id] * (self.places - len(ids))
        vectors = {place: book[-1 - token] for place, token in enumerate(ids) if token < 0}
        tokens = torch.tensor([[max(token, 0) for token in ids]], device=self._device)
        with in_place(self._encoder, vectors):
            output = self._encoder(tokens, output_hidden_states=True)
        embeds = self._layer(output, clip_skip).to(self._encoder.dtype)
        if any(weight != 1 for weight in chunk.weights):
            weights = [1.0, *chunk.weights, *[1.0] * (self.places - 1 - len(chunk.weights))]
            embeds = weighted(embeds, torch.tensor(weights), emphasis)
        pooled = output.text_embeds.to(self._encoder.dtype) if "text_embeds" in output else None
        return Encoded(embeds, pooled)

    def _layer(self, output: Any, clip_skip: int) -> torch.Tensor:
        """The layer that the family reads, or `clip_skip` - 1 before it; the last one has gone through the closing norm."""
        if self._clip.layer == 1 and clip_skip == 1:
            return output.last_hidden_state
        hidden = output.hidden_states[-(self._clip.layer + clip_skip - 1)]
        if self._clip.layer > 1:
            return hidden
        return getattr(self._encoder, "text_model", self._encoder).final_layer_norm(hidden)


def weighted(embeds: torch.Tensor, weights: torch.Tensor, emphasis: Emphasis) -> torch.Tensor:
    """`embeds` [1, n, width] with each place multiplied by its weight [n].

    `Emphasis.ORIGINAL` brings the mean of the whole back to what it was, as A1111 does by default.
    """
    made = embeds * weights.to(embeds)[None, :, None]
    mean = made.mean()
    if emphasis is Emphasis.NO_NORM or mean == 0:
        return made
    return made * (embeds.mean() / mean)
