"""The header of a GGUF file, read by ourselves before any library sees it; the tensors are not touched.

The usual reader believes every count: a file of 100 kB kept it busy for more than 30 s (measured). Format: the
specification in ggml's repository, docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from engines.errors import UserError
from engines.identify.files import plain_file
from engines.records import TensorInfo, WeightsHeader

HEADER_LIMIT = 64 << 20  # bytes; a language model's vocabulary of 262,000 words with its merges takes 12 MB
TENSOR_LIMIT = 65_536
KEY_LIMIT = 65_536
STRING_LIMIT = 1 << 20  # bytes; chat templates have some 10 kB
NAME_LIMIT = 65_535  # bytes, by the specification
WORD_LIMIT = 1_200_000  # strings in all lists together
CHUNK = 1 << 20

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

# Number of the type: name, weights in a block, bytes of a block. Source: ggml.h and ggml-common.h.
TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
}


def read_gguf(path: Path) -> WeightsHeader:
    """The header of the file, shapes in torch's order. Raises `UserError("model-file-broken")` with the reason."""
    with plain_file(path) as (file, size):
        try:
            tensors, metadata = _parsed(_Cursor(file, size))
        except (ValueError, struct.error, OverflowError) as error:
            raise UserError("model-file-broken", model=path.name, why=str(error)[:200]) from error
    return WeightsHeader(path, "gguf", tensors, metadata, size)


class _Cursor:
    """Reads numbers and strings one after the other; asks the file for more only when it is needed."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._data = b""
        self.at = 0
        self.words = 0

    def take(self, count: int) -> int:
        """Move on by `count` bytes; returns where they begin in `data`."""
        start, self.at = self.at, self.at + count
        if self.at > min(self.size, HEADER_LIMIT):
            raise ValueError(f"its header ends in the middle, at byte {min(self.size, HEADER_LIMIT):,}")
        if self.at > len(self._data):
            self._data += self._file.read(max(self.at - len(self._data), CHUNK, len(self._data)))
            if self.at > len(self._data):
                raise ValueError("it became shorter while it was read")
        return start

    def number(self, code: str) -> Any:
        """A little-endian number by its `struct` code."""
        return struct.unpack_from(f"<{code}", self._data, self.take(struct.calcsize(f"<{code}")))[0]

    def string(self, limit: int = STRING_LIMIT) -> str:
        """A string with its length before it."""
        length = self.number("Q")
        if length > limit:
            raise ValueError(f"a text in its header claims {length:,} bytes")
        start = self.take(length)
        return self._data[start : start + length].decode("utf-8", "replace")

    def skip_strings(self, count: int) -> None:
        """Pass over a list of strings, which can have a million entries."""
        self.words += count
        if self.words > WORD_LIMIT:
            raise ValueError(f"its header claims more than {WORD_LIMIT:,} words")
        unpack = struct.Struct("<Q").unpack_from
        for _ in range(count):
            length = unpack(self._data, self.take(8))[0]
            if length > STRING_LIMIT:
                raise ValueError(f"a text in its header claims {length:,} bytes")
            self.take(length)


def _parsed(cursor: _Cursor) -> tuple[dict[str, TensorInfo], dict[str, Any]]:
    cursor.take(4)  # the mark, which has been seen
    version, tensor_count, key_count = cursor.number("I"), cursor.number("Q"), cursor.number("Q")
    if version not in (2, 3):
        raise ValueError(f"it has version {version} of the format; 2 and 3 are known")
    if tensor_count > TENSOR_LIMIT or key_count > KEY_LIMIT:
        raise ValueError(f"it claims {tensor_count:,} tensors and {key_count:,} keys")
    metadata = _metadata(cursor, key_count)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 16 or alignment & (alignment - 1):
        raise ValueError(f"its alignment is {alignment}")
    entries = _entries(cursor, tensor_count, alignment)
    start = -(-cursor.at // alignment) * alignment
    _check_spans([(offset, offset + length) for _, offset, length in entries.values()], cursor.size - start)
    return {name: info for name, (info, _offset, _length) in entries.items()}, metadata


def _metadata(cursor: _Cursor, count: int) -> dict[str, Any]:
    """The keys with their values; of a list only its length, as a text."""
    values: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.string(NAME_LIMIT)
        if key in values:
            raise ValueError(f"it has the key {key[:60]!a} twice")
        values[key] = _value(cursor, cursor.number("I"))
    return values


def _value(cursor: _Cursor, kind: int) -> Any:
    if kind in SCALARS:
        return cursor.number(SCALARS[kind])
    if kind == STRING:
        return cursor.string()
    if kind != ARRAY:
        raise ValueError(f"a value has the unknown type {kind}")
    inner, count = cursor.number("I"), cursor.number("Q")
    if inner == STRING:
        cursor.skip_strings(count)
    elif inner in SCALARS:
        width = struct.calcsize(f"<{SCALARS[inner]}")
        start = cursor.take(count * width)
        if count <= RANK_LIMIT:
            return list(struct.unpack_from(f"<{count}{SCALARS[inner]}", cursor._data, start))
    else:
        raise ValueError(f"a list has entries of the type {inner}")
    return f"a list of {count}"


RANK_LIMIT = 8


def _entries(cursor: _Cursor, count: int, alignment: int) -> dict[str, tuple[TensorInfo, int, int]]:
    """Each tensor with its offset after the header and its bytes."""
    entries: dict[str, tuple[TensorInfo, int, int]] = {}
    for _ in range(count):
        name = cursor.string(NAME_LIMIT)
        rank = cursor.number("I")
        if rank > RANK_LIMIT or name in entries:
            raise ValueError(f"the tensor {name[:60]!a} has {rank} sides or stands there twice")
        sides = [cursor.number("Q") for _ in range(rank)]
        type_number, offset = cursor.number("I"), cursor.number("Q")
        if type_number not in TYPES:
            raise ValueError(f"the tensor {name[:60]!a} has the unknown type {type_number}")
        type_name, block, block_bytes = TYPES[type_number]
        if any(not 0 < side < 1 << 40 for side in sides) or (sides[0] if sides else block) % block:
            raise ValueError(f"the tensor {name[:60]!a} does not have a shape for {type_name}")
        if offset % alignment:
            raise ValueError(f"the tensor {name[:60]!a} does not lie at a multiple of {alignment}")
        length = max(prod(sides) // block, 1) * block_bytes
        entries[name] = (TensorInfo(type_name, _shape(sides)), offset, length)
    return entries


def _shape(sides: list[int]) -> tuple[int, ...]:
    """GGUF has the fastest side first, torch has it last."""
    return tuple(reversed(sides))


def _check_spans(spans: list[tuple[int, int]], room: int) -> None:
    at = 0
    for begin, end in sorted(spans):
        if begin < at:
            raise ValueError(f"its tensors overlap at byte {begin:,}")
        at = end
    if at > room:
        raise ValueError(f"it is cut off: {at - room:,} bytes are missing")
