"""Damages headers at random, from a seed: the same seed gives the same files."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from typing import Any

from tests.engines.identify.headers import gguf_bytes, header_bytes

SMALL = {
    "model.diffusion_model.input_blocks.0.0.weight": ("F16", [8, 4, 3, 3]),
    "first_stage_model.decoder.conv_in.weight": ("F16", [8, 4, 3, 3]),
    "cond_stage_model.transformer.text_model.final_layer_norm.bias": ("F32", [8]),
    "lora_unet_a.lora_down.weight": ("BF16", [2, 8]),
}
QUANTISED = {"blk.0.attn_q.weight": ("Q4_K", [4, 256]), "token_embd.weight": ("F16", [16, 8]), "a.bias": ("F32", [8])}
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**64,
    2**70,
    1e308,
    "",
    "F16",
    "\ud800",
    [],
    {},
    [[]],
    [-1],
    [2**62] * 8,
)


def damaged_safetensors(seed: int, count: int) -> Iterator[bytes]:
    """`count` files, each damaged in one way or in several."""
    chance = random.Random(seed)
    data, room = header_bytes(SMALL, {"format": "pt"})
    whole = data + bytes(room)
    ways = (_flip, _cut, _insert, _length, _swap_value, _nest, _repeat)
    for _ in range(count):
        file = whole
        for _ in range(chance.choice((1, 1, 2, 4))):
            file = chance.choice(ways)(file, chance)
        yield file


def damaged_gguf(seed: int, count: int) -> Iterator[bytes]:
    """`count` files whose counts, lengths, types or bytes lie."""
    chance = random.Random(seed)
    data, room = gguf_bytes(QUANTISED, {"general.architecture": "llama", "general.alignment": 32})
    whole = data + bytes(room)
    for _ in range(count):
        file = whole
        for _ in range(chance.choice((1, 1, 2, 4))):
            file = chance.choice((_flip, _cut, _insert, _number))(file, chance)
        yield b"GGUF" + file[4:]


def _flip(file: bytes, chance: random.Random) -> bytes:
    if not file:
        return file
    at = chance.randrange(len(file))
    return file[:at] + bytes([file[at] ^ (1 << chance.randrange(8))]) + file[at + 1 :]


def _cut(file: bytes, chance: random.Random) -> bytes:
    return file[: chance.randrange(len(file) + 1)]


def _insert(file: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(file) + 1)
    return file[:at] + chance.randbytes(chance.choice((1, 8, 400))) + file[at:]


def _length(file: bytes, chance: random.Random) -> bytes:
    value = chance.choice((0, 1, 2, 7, len(file), len(file) * 2, 16 << 20, (16 << 20) + 1, 2**32, 2**63, 2**64 - 1))
    return struct.pack("<Q", value) + file[8:]


def _number(file: bytes, chance: random.Random) -> bytes:
    """Eight bytes anywhere in the first 300 become a number that somebody might believe."""
    at = chance.randrange(4, 300)
    value = chance.choice((0, 1, 255, 2**16, 2**20, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1))
    return file[:at] + struct.pack("<Q", value) + file[at + 8 :]


def _swap_value(file: bytes, chance: random.Random) -> bytes:
    """One value somewhere in the JSON becomes another one; the length is right again."""
    try:
        values = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
        name = chance.choice(list(values))
        if isinstance(values[name], dict) and values[name] and chance.random() < 0.8:
            values[name][chance.choice(list(values[name]))] = chance.choice(VALUES)
        else:
            values[name] = chance.choice(VALUES)
    except (ValueError, TypeError, IndexError, RecursionError):
        return file
    data = json.dumps(values).encode()
    return struct.pack("<Q", len(data)) + data + bytes(400)


def _nest(file: bytes, chance: random.Random) -> bytes:
    deep = chance.choice((3, 100, 100, 100, 100, 5000))
    data = b'{"a":' * deep + b"1" + b"}" * deep
    return struct.pack("<Q", len(data)) + data + file[-100:]


def _repeat(file: bytes, chance: random.Random) -> bytes:
    many = chance.choice((2, 10, 10, 50, 50, 50, 50, 50, 50, 3000))
    entry = b'"a%d":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}'
    same = chance.random() < 0.5
    data = b"{" + b",".join(entry % (0 if same else each) for each in range(many)) + b"}"
    return struct.pack("<Q", len(data)) + data + bytes(2)
