"""Tensors out of files into their places: in pieces that stay in the processor's cache, converted on the way.

Most of the time goes into memory that nobody had before: the system makes it page by page. See `engines.pages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any, Self

import torch

from engines.layout import ALIGNMENT
from engines.pages import LARGE, PageMaker, make_pages

PIECE = 1 << 19  # bytes of a file at a time; of 128 kB, 512 kB and 4 MB the quickest (measured, 1 MB of cache a core)


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: file, first byte, dtype and shape."""

    file: Path
    start: int
    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Wanted:
    """A tensor of a file, and how it is to be in memory. `layout` is for tensors with four sides; others lie as in the file."""

    stored: Stored
    dtype: torch.dtype
    layout: torch.memory_format = torch.contiguous_format

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, with what is left free so that the next one lies well."""
        return -(-prod(self.stored.shape) * self.dtype.itemsize // ALIGNMENT) * ALIGNMENT


class TensorReader:
    """Reads tensors, best in the order in which they lie in their files. A context manager that closes the last file.

    With a `room` of so many bytes all of them lie in one piece of memory, which comes quicker, and goes when the last one
    goes. Without it each has a place of its own: for tensors that are brought elsewhere one by one.
    """

    def __init__(self, room: int = 0) -> None:
        self._memory = _aligned(room) if room else None
        self._taken = 0
        self._make_pages = make_pages if self._memory is None else PageMaker(self._memory).make
        self._piece = torch.empty(PIECE, dtype=torch.uint8)
        self._whole = torch.empty(0, dtype=torch.uint8)
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, wanted: Wanted) -> torch.Tensor:
        """The tensor on the processor. Raises `ValueError` when the file ends before it does."""
        stored = wanted.stored
        file, target = self._at(stored), self._place(wanted)
        if len(stored.shape) == 4 and wanted.layout is torch.channels_last:
            plain = self._scratch(stored)
            fill(file, plain)
            self._make_pages(target)
            count, channels, height, width = stored.shape
            return target.view(count, height, width, channels).permute(0, 3, 1, 2).copy_(plain)
        if wanted.dtype == stored.dtype:
            self._straight(file, target)
        else:
            self._convert(file, target, stored.dtype)
        return target.view(stored.shape)

    def _place(self, wanted: Wanted) -> torch.Tensor:
        """A flat tensor; in the common memory it lies behind those that are there already."""
        count = prod(wanted.stored.shape)
        if self._memory is None:
            return torch.empty(count, dtype=wanted.dtype)
        place = self._memory[self._taken : self._taken + count * wanted.dtype.itemsize]
        self._taken += wanted.size
        return place.view(wanted.dtype)

    def _at(self, stored: Stored) -> FileIO:
        if self._file is None or self._file.name != str(stored.file):
            self.__exit__()
            self._file = FileIO(str(stored.file))
        self._file.seek(stored.start)
        return self._file

    def _scratch(self, stored: Stored) -> torch.Tensor:
        """Where a tensor lies until it has its layout: the same place for all, or each would leave a gap in the heap.

        The decoder of SD 1.5 (0.33 GB in float32) took 0.12 GB more with a place for each (measured).
        """
        size = prod(stored.shape) * stored.dtype.itemsize
        if self._whole.numel() < size:
            self._whole = torch.empty(size, dtype=torch.uint8)
        return self._whole[:size].view(stored.dtype).view(stored.shape)

    def _convert(self, file: FileIO, target: torch.Tensor, source: torch.dtype) -> None:
        piece = self._piece.view(source)
        for place in target.split(piece.numel()):
            self._make_pages(place)
            values = piece[: place.numel()]
            fill(file, values)
            place.copy_(values)

    def _straight(self, file: FileIO, target: torch.Tensor) -> None:
        for place in target.split(PIECE // target.itemsize):
            self._make_pages(place)
            fill(file, place)


def _aligned(size: int) -> torch.Tensor:
    """Memory that nobody has touched; it begins where a large page may begin."""
    memory = torch.empty(size + LARGE, dtype=torch.uint8)
    first = -memory.data_ptr() % LARGE
    return memory[first : first + size]


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
