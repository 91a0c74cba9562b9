"""Textual inversion: vectors in the place of words, put in while a text is encoded. The text encoder itself never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from engines.errors import UserError
from engines.options import EMBEDDING
from engines.prompt import split_words

BYTE_LIMIT = 64 << 20  # of one file; 75 vectors for SDXL have 0.6 MB


class Embeddings:
    """The embeddings among a run's `files`, by name. `key` changes when any of them does."""

    def __init__(self, files: Mapping[str, Path] | None = None) -> None:
        paths = {key.removeprefix(EMBEDDING): path for key, path in (files or {}).items() if key.startswith(EMBEDDING)}
        found = {name: read_embedding(name, path) for name, path in paths.items()}
        self._tensors = {name: tensors for name, (tensors, _hash) in found.items()}
        self.hashes = {name: hash_ for name, (_tensors, hash_) in found.items()}
        self.key = tuple(sorted((name.casefold(), hash_) for name, hash_ in self.hashes.items()))

    def pieces(self, text: str) -> tuple[tuple[str, str], ...]:
        """The text as words and names; see `split_words`."""
        return split_words(text, self._tensors)

    def vectors(self, name: str, encoder: Any, tensor: str) -> torch.Tensor:
        """The embedding's vectors [n, width] for `encoder`: the file's only tensor, or the one called `tensor`.

        Raises `UserError("embedding-not-for-model")` with both widths when they do not fit.
        """
        tensors = self._tensors[name]
        found = tensors.get(tensor) if tensor and len(tensors) > 1 else next(iter(tensors.values()))
        width = encoder.get_input_embeddings().weight.shape[-1]
        if found is None:
            why = f"it has vectors for {', '.join(tensors)} and none for {tensor}"
            raise UserError("embedding-not-for-model", name=name, why=why)
        vectors = found if found.dim() == 2 else found[None]
        if vectors.shape[-1] != width:
            why = f"its vectors have {vectors.shape[-1]} numbers, and the model's text encoder takes {width}"
            raise UserError("embedding-not-for-model", name=name, why=why)
        return vectors


def read_embedding(name: str, path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """The file's tensors, checked, and its hash (12 hex of the sha256, as A1111 counts it). Raises `UserError`."""
    if not path.is_file():
        raise UserError("embedding-missing", name=name)
    facts = path.stat()
    return _read(name, path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(name: str, path: Path, size: int, _changed: int) -> tuple[dict[str, torch.Tensor], str]:
    if size > BYTE_LIMIT:
        why = f"it has {size >> 20} MiB; embeddings have less than one"
        raise UserError("embedding-broken", name=name, why=why)
    data = path.read_bytes()
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise UserError("embedding-broken", name=name, why=str(error).split("\n", 1)[0][:200]) from error
    if not tensors:
        raise UserError("embedding-broken", name=name, why="it holds no tensors")
    for key, tensor in tensors.items():
        if tensor.dim() not in (1, 2) or tensor.numel() == 0 or not torch.isfinite(tensor.float()).all():
            raise UserError("embedding-broken", name=name, why=f"{key} does not hold vectors of plain numbers")
    return tensors, hashlib.sha256(data).hexdigest()[:12]


@contextmanager
def in_place(encoder: Any, vectors: Mapping[int, torch.Tensor]) -> Iterator[None]:
    """While it lasts, `encoder` reads `vectors` [width] at those places of its text, whatever tokens stand there."""

    def put(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        for place, vector in vectors.items():
            output[:, place] = vector.to(output)
        return output

    hook = encoder.get_input_embeddings().register_forward_hook(put) if vectors else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()
