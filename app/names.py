"""File names made of what people write: readable, and valid on every system."""

from __future__ import annotations

import re
import unicodedata

NAME_LENGTH = 60  # characters of the prompt in a file name; Windows allows 260 for the whole path
RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)


def slug(text: str) -> str:
    """A short part of a file name made of `text`: letters and digits of any script, safe on Windows and Linux."""
    plain = unicodedata.normalize("NFC", text).lower()
    words = "-".join(re.findall(r"\w+", plain))[:NAME_LENGTH].strip("-_")
    return f"{words}-" if RESERVED.match(words) else words or "picture"
