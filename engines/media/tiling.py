"""A large picture cut into overlapping tiles, and put together again without seams."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tile:
    """A square of the picture at `left`, `top`; `row` and `column` count from 0."""

    left: int
    top: int
    row: int
    column: int


def tiles_of(width: int, height: int, side: int, overlap: int) -> tuple[Tile, ...]:
    """Tiles of `side` pixels that cover the picture, row by row; neighbours share at least `overlap` pixels.

    Sides below `side` have one tile, which then reaches over the edge.
    """
    columns, rows = _starts(width, side, overlap), _starts(height, side, overlap)
    return tuple(Tile(left, top, row, column) for row, top in enumerate(rows) for column, left in enumerate(columns))


def fade(tile: Tile, tiles: tuple[Tile, ...], side: int) -> NDArray[Any]:
    """How much the tile counts over what lies there already, [side, side, 1] in 0 to 1.

    It rises over what the tile shares with its left and upper neighbours, and is 1 elsewhere: the later tile wins.
    """
    import numpy as np

    across = _rise(side, _shared(tile.left, [each.left for each in tiles if each.row == tile.row], side))
    down = _rise(side, _shared(tile.top, [each.top for each in tiles if each.column == tile.column], side))
    return np.minimum(across[None, :], down[:, None])[:, :, None]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - overlap) // (side - overlap))
    return [round(index * (length - side) / (count - 1)) for index in range(count)]


def _shared(start: int, starts: list[int], side: int) -> int:
    """Pixels that the tile at `start` shares with the one before it."""
    return next((low + side - high for low, high in pairwise(sorted(set(starts))) if high == start), 0)


def _rise(side: int, shared: int) -> NDArray[Any]:
    import numpy as np

    if not shared:
        return np.ones(side)
    return np.clip((np.arange(side) + 1) / (shared + 1), 0, 1)
