"""What is made of a picture before a ControlNet looks at it, by name; names are A1111's where it has them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from engines.errors import UserError

# Name to what it does, for lists and docs. None of them downloads anything: depth and poses need models of their own.
PREPARERS: Mapping[str, str] = {
    "none": "the picture as it is, for one that is prepared already",
    "canny": "edges, white on black (Canny)",
    "tile": "detail taken out: an eighth of the size and back",
    "blur": "softened",
    "gray": "without colours",
    "invert": "dark and bright exchanged: for drawings, black on white",
    "threshold": "black and white alone",
}
ALIASES = {"tile_resample": "tile", "blur_gaussian": "blur", "invert (from white bg & black line)": "invert"}
# What the two numbers of a preparer mean, and what they are when nobody says: 0 to 255, or pixels.
THRESHOLDS: Mapping[str, tuple[float, float]] = {"canny": (100, 200), "threshold": (127, 0), "blur": (9, 0)}


def spelled_preparer(name: str) -> str:
    """The preparer's name as the table spells it. Raises `UserError("preparer-unknown")` with the nearest names."""
    wanted = ALIASES.get(name.strip().casefold(), name.strip().casefold()) or "none"
    if wanted not in PREPARERS:
        nearest = difflib.get_close_matches(wanted, PREPARERS, 3, 0.5) or list(PREPARERS)
        raise UserError("preparer-unknown", name=name, nearest=nearest)
    return wanted
