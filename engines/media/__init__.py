"""Pictures in and out: decoding whatever people bring, PNG files that say how they were made, and reading that back."""

from __future__ import annotations

from engines.media.images import fit, open_image, open_mask, picture_size, stretch
from engines.media.infotext import parse_infotext, write_infotext
from engines.media.picture_files import save_picture
from engines.media.read import FileMetadata, notes_of, read_metadata, read_metadata_of

__all__ = [
    "FileMetadata",
    "fit",
    "notes_of",
    "open_image",
    "open_mask",
    "parse_infotext",
    "picture_size",
    "read_metadata",
    "read_metadata_of",
    "save_picture",
    "stretch",
    "write_infotext",
]
