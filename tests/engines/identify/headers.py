"""Writes weight files that have a header and no weights: the tensors are a hole in the file, so that 5 GB take 100 kB."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path

from engines.identify.gguf import TYPES
from engines.identify.safetensors import BITS

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "headers"
Tensors = Mapping[str, tuple[str, list[int]]]


def fixture(name: str) -> dict[str, tuple[str, list[int]]]:
    """The tensors of a stripped header: name to number format and shape."""
    packed = json.loads(gzip.decompress((FIXTURES / f"{name}.json.gz").read_bytes()))
    return {name: (packed["dtype"], shape) for name, shape in packed["shapes"].items()}


def header_bytes(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> tuple[bytes, int]:
    """The safetensors header with its length, and how many bytes of tensors must follow."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = prod(shape) * BITS[dtype] // 8
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    data = json.dumps(entries).encode()
    return struct.pack("<Q", len(data)) + data, at


def write_safetensors(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Path:
    """A safetensors file of its full size that takes no room."""
    data, room = header_bytes(tensors, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + room)
    return path


def gguf_bytes(tensors: Tensors, metadata: Mapping[str, str | int] | None = None) -> tuple[bytes, int]:
    """A GGUF header, version 3, and how many bytes of tensors must follow (after padding to 32)."""
    numbers = {name: number for number, (name, _, _) in TYPES.items()}
    keys = b"".join(_text(key) + _value(value) for key, value in (metadata or {}).items())
    infos, at = b"", 0
    for name, (dtype, shape) in tensors.items():
        _, block, block_bytes = TYPES[numbers[dtype]]
        sides = list(reversed(shape))
        infos += _text(name) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, numbers[dtype], at)
        at += -(-(prod(shape) // block * block_bytes) // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata or {})) + keys + infos
    return head + b"\0" * (-len(head) % 32), at


def write_gguf(path: Path, tensors: Tensors, metadata: Mapping[str, str | int] | None = None) -> Path:
    """A GGUF file of its full size that takes no room."""
    data, room = gguf_bytes(tensors, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + room)
    return path


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: str | int) -> bytes:
    return struct.pack("<I", 8) + _text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
