"""Tensors out of files into their own places: in pieces that stay in the processor's cache, converted on the way.

Most of the time goes into memory that nobody had before: the system makes it page by page. See `engines.pages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any, Self

import torch

from engines.pages import make_pages

PIECE = 1 << 19  # bytes of a file at a time; of 128 kB, 512 kB and 4 MB the quickest (measured, 1 MB of cache a core)


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: file, first byte, dtype and shape."""

    file: Path
    start: int
    dtype: torch.dtype
    shape: tuple[int, ...]


class TensorReader:
    """Reads tensors, best in the order in which they lie in their files. A context manager that closes the last file."""

    def __init__(self) -> None:
        self._piece = torch.empty(PIECE, dtype=torch.uint8)
        self._whole = torch.empty(0, dtype=torch.uint8)
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, stored: Stored, dtype: torch.dtype, layout: torch.memory_format) -> torch.Tensor:
        """The tensor on the processor. Raises `ValueError` when the file ends before it does.

        `layout` is for tensors with four sides; all others lie as they do in the file.
        """
        file = self._at(stored)
        if layout is not torch.contiguous_format and len(stored.shape) == 4:
            plain = self._room(stored)
            fill(file, plain)
            return plain.to(dtype=dtype, memory_format=layout, copy=True)  # pyright: ignore
        target = torch.empty(stored.shape, dtype=dtype)
        if dtype == stored.dtype:
            _straight(file, target)
        else:
            self._convert(file, target, stored.dtype)
        return target

    def _at(self, stored: Stored) -> FileIO:
        if self._file is None or self._file.name != str(stored.file):
            self.__exit__()
            self._file = FileIO(str(stored.file))
        self._file.seek(stored.start)
        return self._file

    def _room(self, stored: Stored) -> torch.Tensor:
        """Where a tensor lies until it has its layout: the same place for all, or each would leave a gap in the heap.

        The decoder of SD 1.5 (0.33 GB in float32) took 0.12 GB more with a place for each (measured).
        """
        size = prod(stored.shape) * stored.dtype.itemsize
        if self._whole.numel() < size:
            self._whole = torch.empty(size, dtype=torch.uint8)
        return self._whole[:size].view(stored.dtype).view(stored.shape)

    def _convert(self, file: FileIO, target: torch.Tensor, source: torch.dtype) -> None:
        flat, piece = target.view(-1), self._piece.view(source)
        for start in range(0, flat.numel(), piece.numel()):
            place = flat[start : start + piece.numel()]
            make_pages(place)
            values = piece[: place.numel()]
            fill(file, values)
            place.copy_(values)


def _straight(file: FileIO, target: torch.Tensor) -> None:
    values = PIECE // target.itemsize
    flat = target.view(-1)
    for start in range(0, flat.numel(), values):
        place = flat[start : start + values]
        make_pages(place)
        fill(file, place)


def fill(file: FileIO, target: torch.Tensor) -> None:
    """Read exactly as many bytes as the tensor has. Raises `ValueError` when the file ends before."""
    if not target.numel():
        return
    plain: Any = target.view(-1).view(torch.uint8).numpy()
    view = memoryview(plain)
    while view:
        count = file.readinto(view)
        if not count:
            raise ValueError("the file ends in the middle of a tensor")
        view = view[count:]
