"""Hashes of model files as other programs name them, computed once and remembered by path, size and time.

A1111 and Civitai call a model by the first 10 hex digits of the file's sha256, and a LoRA by the first 12 of the sha256 of
what follows the header.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from app.library.index import ModelIndex
from app.library.walk import file_stamp
from engines.api import UserError

log = logging.getLogger(__name__)

CHUNK = 4 << 20  # bytes


@dataclass(frozen=True)
class Hashes:
    """`sha256` of the whole file and `tensors` of the bytes after a safetensors header, 64 hex digits; "" when unknown."""

    sha256: str = ""
    tensors: str = ""

    @property
    def model_hash(self) -> str:
        """10 hex digits, as in `Model hash`."""
        return self.sha256[:10]

    @property
    def lora_hash(self) -> str:
        """12 hex digits, as in `Lora hashes`."""
        return self.tensors[:12]


class Hasher:
    """Computes and remembers."""

    def __init__(self, index: ModelIndex) -> None:
        self._index = index

    def known(self, path: Path) -> Hashes:
        """What is remembered of the file as it is now."""
        try:
            return Hashes(*self._index.hashes(str(path), file_stamp(path)))
        except OSError:
            return Hashes()

    def now(self, path: Path, stop: Callable[[], bool] = lambda: False) -> Hashes:
        """The hashes, computed if need be. Raises `UserError("model-unreadable")`; empty ones when `stop` said so."""
        found = self.known(path)
        if found.sha256:
            return found
        try:
            stamp = file_stamp(path)
            found = compute(path, stop)
            unchanged = file_stamp(path) == stamp
        except OSError as error:
            raise UserError("model-unreadable", model=path.name, why=error.strerror or str(error)) from error
        if found.sha256 and unchanged:
            self._index.keep_hashes(str(path), stamp, found.sha256, found.tensors)
        return found

    def all(self, paths: Iterable[Path], stop: Callable[[], bool]) -> int:
        """Compute what is not known yet; returns for how many files. One that cannot be read is passed over."""
        done = 0
        for path in paths:
            if stop():
                break
            if self.known(path).sha256:
                continue
            try:
                done += bool(self.now(path, stop).sha256)
            except UserError:
                log.info("hash of %s could not be computed", path.name, exc_info=True)
        return done


def compute(path: Path, stop: Callable[[], bool] = lambda: False) -> Hashes:
    """Read the file once for both hashes. Raises `OSError`."""
    whole, rest = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(9)
        length = int.from_bytes(head[:8], "little") if head[8:] == b"{" else 0
        whole.update(head[:8])
        file.seek(8)
        left = length  # bytes of the header that are still to come
        while chunk := file.read(CHUNK):
            if stop():
                return Hashes()
            whole.update(chunk)
            rest.update(chunk[min(left, len(chunk)) :])
            left -= min(left, len(chunk))
    return Hashes(whole.hexdigest(), rest.hexdigest() if length else "")
