"""The header of a safetensors file, read by ourselves with limits of our own; the tensors are not touched.

The usual library takes a header of 100 MB; one with 1.2 million tensors kept it busy for 53 s (measured).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

from engines.errors import UserError
from engines.identify.files import plain_file
from engines.records import TensorInfo, WeightsHeader

HEADER_LIMIT = 16 << 20  # bytes; the largest real ones (LoRAs with the tags of their training pictures) have 3 MB
TENSOR_LIMIT = 65_536  # real files have at most some 10,000
COMMA_LIMIT = 1_000_000  # bounds the work of the JSON parser to well under a second
RANK_LIMIT = 8
SIDE_LIMIT = 1 << 40

BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
}


def read_safetensors(path: Path) -> WeightsHeader:
    """The header of the file. Raises `UserError("model-file-broken")` with the reason when anything in it does not add up."""
    with plain_file(path) as (file, size):
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length < 2:
            raise _broken(path, f"it has {size} bytes and its header {length}")
        if length > HEADER_LIMIT:
            raise _broken(path, f"its header claims {length:,} bytes; {HEADER_LIMIT:,} is the limit")
        if length > size - 8:
            raise _broken(path, f"its header claims {length:,} bytes; the whole file has {size:,}")
        data = file.read(length)
    try:
        tensors, metadata = _parsed(data, size - 8 - length)
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise _broken(path, str(error).splitlines()[0][:200] if str(error) else "its header is no JSON") from error
    return WeightsHeader(path, "safetensors", tensors, metadata, size)


def _parsed(data: bytes, room: int) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    if data.count(b"{") > TENSOR_LIMIT * 2 or data.count(b",") > COMMA_LIMIT:
        raise ValueError(f"its header names more than {TENSOR_LIMIT:,} tensors")
    values = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(values, dict):
        raise ValueError("its header is not a JSON object")
    metadata = _metadata(values.pop("__metadata__", {}))
    if len(values) > TENSOR_LIMIT:
        raise ValueError(f"its header names {len(values):,} tensors; {TENSOR_LIMIT:,} is the limit")
    spans = [_span(name, entry) for name, entry in values.items()]
    _check_spans(spans, room)
    return {name: TensorInfo(values[name]["dtype"], tuple(values[name]["shape"])) for name in values}, metadata


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where the tensor's bytes begin and end after the header."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry of {_short(name)} is not that of a tensor")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ValueError(f"{_short(name)} has the unknown number format {_short(str(dtype))}")
    if not _whole_numbers(shape, SIDE_LIMIT) or len(shape) > RANK_LIMIT:
        raise ValueError(f"{_short(name)} has no proper shape")
    if not _whole_numbers(offsets, 1 << 62) or len(offsets) != 2:
        raise ValueError(f"{_short(name)} has no proper place in the file")
    begin, end = offsets
    if prod(shape) * BITS[dtype] != (end - begin) * 8:
        raise ValueError(f"{_short(name)} does not have the size of its shape")
    return begin, end


def _check_spans(spans: list[tuple[int, int]], room: int) -> None:
    """The tensors must follow one another without gap or overlap and fill the file exactly."""
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise ValueError(f"its tensors {'overlap' if begin < at else 'leave a gap'} at byte {min(at, begin):,}")
        at = end
    if at > room:
        raise ValueError(f"it is cut off: {at - room:,} bytes are missing")
    if at < room:
        raise ValueError(f"it has {room - at:,} bytes more than its header says")


def _metadata(values: Any) -> dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("the text in its header is not text")
    return {_clean(key): _clean(value) for key, value in values.items()}


def _clean(text: str) -> str:
    """Without lone surrogates, which JSON can hold and no terminal can print."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _whole_numbers(values: Any, limit: int) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= limit for value in values)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("its header has the same name twice")
    return values


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _short(name: str) -> str:
    return ascii(name[:60])


def _broken(path: Path, why: str) -> UserError:
    return UserError("model-file-broken", model=path.name, why=why)
