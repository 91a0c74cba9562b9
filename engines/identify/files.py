"""Opening a file that may be anything: only plain files are read, and never a pipe or a device."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engines.errors import UserError

SNIFF = 512  # bytes: enough for every mark below
TORCH_MARKS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # zip archive, or a bare pickle


@contextmanager
def plain_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size in bytes. Raises `UserError("model-not-a-file")` or `UserError("model-unreadable")`."""
    try:
        # Opening a named pipe would wait for a writer; not so with O_NONBLOCK, which plain files do not notice.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise UserError("model-not-a-file", model=path.name)
    with os.fdopen(handle, "rb") as file:
        try:
            yield file, facts.st_size
        except OSError as error:
            raise _unreadable(path, error) from error


def sniff(path: Path) -> str:
    """ "safetensors", "gguf", "pickle", or a word for what it is instead; from the first bytes, never from the name."""
    with plain_file(path) as (file, size):
        start = file.read(SNIFF)
    return _sniffed(start, size)


def _sniffed(start: bytes, size: int) -> str:
    if start.startswith(b"GGUF"):
        return "gguf"
    if start.startswith(TORCH_MARKS):
        return "pickle"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer: the model itself was not fetched"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "a web page, not a model: the download was answered with a page"
    if not size:
        return "an empty file"
    if not any(start):
        return "nothing but zeros: the download or the disk failed"
    if text.startswith((b'{"error', b'{"message', b'{"detail')):
        return "a server's error message, not a model"
    return "safetensors" if start[8:9] == b"{" else "unknown"


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError("model-unreadable", model=path.name, why=getattr(error, "strerror", None) or str(error))
