"""What a download consists of, as plain values that survive a kill: files with their addresses, sizes and hashes."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

WEIGHTS = (".safetensors", ".sft", ".gguf")
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")  # these can run code when they are opened
HUB = "https://huggingface.co"
NAME_LENGTH = 120
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


class Piece(BaseModel):
    """One file: `path` is its place in the finished model, `size` its bytes (None: the server did not say).

    `sha256` is of the content; `blob_id` is git's sha1 of it, which a hub names for small files.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    address: str
    size: int | None = None
    sha256: str = ""
    blob_id: str = ""

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if not is_inside(path):
            raise ValueError(f"{path!r} is not a place inside a model's folder")
        return path


class Plan(BaseModel):
    """A model to fetch. `name` is the folder, or the file when `single`; `card` is what is kept beside the model."""

    model_config = ConfigDict(frozen=True)

    title: str
    source: str
    revision: str = ""
    name: str
    single: bool = False
    pieces: tuple[Piece, ...]
    licence: str = ""
    licence_address: str = ""
    card: dict[str, Any] = {}

    @property
    def total(self) -> int | None:
        """Bytes in all, None as long as one of the files has no known size."""
        sizes = [piece.size for piece in self.pieces]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def is_inside(path: str) -> bool:
    """Whether a path with slashes stays inside the folder that it is taken in, under names that are valid everywhere."""
    return all(part not in ("", ".", "..") and safe_name(part) == part for part in path.split("/"))


def safe_name(name: str) -> str:
    """A file name that is valid on every system and leads nowhere else; "model" when nothing is left of it."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    plain = FORBIDDEN.sub("", plain).strip(" .")
    if len(plain) > NAME_LENGTH:
        stem, dot, suffix = plain.rpartition(".")
        plain = (
            f"{stem[: NAME_LENGTH - len(suffix) - 1]}{dot}{suffix}" if dot and len(suffix) < 20 else plain[:NAME_LENGTH]
        )
    return f"_{plain}" if RESERVED.match(plain) else plain or "model"


def suffix_of(name: str) -> str:
    """The end of a file's name, in lower case, with its dot."""
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
