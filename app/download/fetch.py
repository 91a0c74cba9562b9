"""One file from a server that may do anything: begun, gone on with after breaks, checked, and only then given its name."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.download.partial import Partial
from app.download.plan import WEIGHTS, Piece, suffix_of
from app.download.room import check_room, damaged_of, part_of, write_problem
from app.download.web import Interruption, Web, host_of
from engines.api import NetworkError

log = logging.getLogger(__name__)

GOOD_PROGRESS = 256 * 1024  # bytes after which a broken line counts as a new one
DAMAGED_TRIES = 2
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class Watch:
    """What goes on while bytes come: `advance` hears how many are there, `check` may raise to stop."""

    advance: Callable[[int], None]
    check: Callable[[], None]
    sleep: Callable[[float], None]


def fetch(web: Web, piece: Piece, place: Path, watch: Watch) -> str:
    """Fetch `piece` to `place` and return its sha256. What was there of it before is used.

    Raises `NetworkError`, `ResourceError`, `UserError`, or whatever `watch.check` raises; the partial file stays.
    """
    if place.is_file() and piece.size in (None, place.stat().st_size):
        return hash_file(place)
    for attempt in range(1, DAMAGED_TRIES + 1):
        with Partial(part_of(place), piece.size) as partial:
            told = _fill(web, piece, partial, watch)
            problem = _problem(piece, partial, told)
            if not problem:
                found = partial.sha256
                partial.finish(place)
                damaged_of(place).unlink(missing_ok=True)
                return found
            log.warning("damaged download file=%s attempt=%d why=%s", place.name, attempt, problem)
            partial.set_aside(damaged_of(place))
        watch.advance(0)
    raise NetworkError("download-damaged", file=place.name, host=host_of(piece.address), why=problem)


def hash_file(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(web: Web, piece: Piece, partial: Partial, watch: Watch) -> str:
    """Until the file is as long as it should be; returns the hash that the server told, if any."""
    tries, wait = 0, web.patience
    begun = partial.length
    watch.advance(partial.length)
    while True:
        try:
            return _once(web, piece, partial, watch)
        except Interruption as broken:
            tries = 1 if partial.length - begun >= GOOD_PROGRESS else tries + 1
            begun = partial.length
            log.info("line broken file=%s at=%d try=%d why=%s", piece.path, begun, tries, broken.why)
            if tries >= wait.tries:
                host = host_of(piece.address)
                raise NetworkError("download-broken-off", host=host, tries=tries, why=broken.why) from broken
        watch.sleep(min(wait.pause * 2 ** (tries - 1), wait.longest_pause))


def _once(web: Web, piece: Piece, partial: Partial, watch: Watch) -> str:
    """One connection, as far as it goes."""
    if piece.size is not None and partial.length == piece.size > 0:
        return ""
    with web.get(piece.address, _wish(partial)) as response:
        _place(response, piece, partial)
        if response.status_code == 416:
            return ""
        size = _whole_size(response)
        _check_kind(response, piece)
        _check_size(piece, size)
        check_room(partial.path.parent, (size or 0) - partial.length)
        _receive(web, response, size, partial, watch)
        if size is not None and partial.length < size:
            raise Interruption(f"the server ended after {partial.length} of {size} bytes")
        return _told_hash(response.headers)


def _wish(partial: Partial) -> dict[str, str]:
    if not partial.length:
        return {}
    if not partial.validator:
        return {"Range": f"bytes={partial.length}-"}
    return {"Range": f"bytes={partial.length}-", "If-Range": partial.validator}


def _place(response: httpx.Response, piece: Piece, partial: Partial) -> None:
    """Make the partial file fit what is going to come: the rest of it, or all of it anew."""
    if response.status_code == 416:
        if piece.size is None and _range_total(response) == partial.length:
            return
        partial.restart()
        raise Interruption("the server does not have the part that is missing")
    validator = _validator(response.headers)
    if response.status_code == 206:
        found = RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != partial.length:
            raise Interruption("the server sent another part of the file than the one that is missing")
        if partial.validator and validator and validator != partial.validator:
            partial.restart()
            raise Interruption("the server has another version of the file now")
        if not partial.validator and not (piece.sha256 or piece.blob_id):
            partial.restart()  # nothing would tell whether both parts are of the same file
            raise Interruption("the server does not say which version of the file it sends")
        return
    if partial.length:
        log.info("from the beginning file=%s: the server sends all of it", piece.path)
        partial.restart()
    partial.remember(validator)


def _validator(headers: Mapping[str, str]) -> str:
    """What names this version of the file for sure: a strong ETag."""
    etag = headers.get("etag", "")
    return etag if etag.startswith('"') else ""


def _range_total(response: httpx.Response) -> int | None:
    total = response.headers.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _whole_size(response: httpx.Response) -> int | None:
    """The size of the whole file as this answer says it."""
    if response.status_code == 206:
        return _range_total(response)
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() else None


def _check_kind(response: httpx.Response, piece: Piece) -> None:
    page = response.headers.get("content-type", "").startswith("text/html")
    if page and suffix_of(piece.path) in WEIGHTS:
        raise NetworkError("download-is-a-page", host=host_of(piece.address))


def _check_size(piece: Piece, size: int | None) -> None:
    if piece.size is not None and size is not None and size != piece.size:
        raise Interruption(f"the file has {size} bytes here and should have {piece.size}")


def _receive(web: Web, response: httpx.Response, size: int | None, partial: Partial, watch: Watch) -> None:
    pace = _Pace(web.patience.slow_bytes, web.patience.slow_seconds)
    try:
        for chunk in response.iter_raw():
            if size is not None and partial.length + len(chunk) > size:
                raise NetworkError(
                    "download-damaged", file=partial.path.stem, host="", why="it is longer than announced"
                )
            partial.write(chunk)
            watch.advance(partial.length)
            watch.check()
            pace.check(len(chunk))
    except OSError as error:
        raise write_problem(error, partial.path.parent) from error


class _Pace:
    """Raises `Interruption` when less than `least` bytes a second came in each second of the last `seconds`."""

    def __init__(self, least: int, seconds: float) -> None:
        self._least, self._seconds = least, seconds
        self._since, self._got = time.monotonic(), 0

    def check(self, got: int) -> None:
        self._got += got
        passed = time.monotonic() - self._since
        if passed < self._seconds:
            return
        if self._got < self._least * passed:
            raise Interruption(f"only {self._got} bytes came in {passed:.0f} seconds")
        self._since, self._got = time.monotonic(), 0


def _told_hash(headers: Mapping[str, str]) -> str:
    """The sha256 that the server told beside the file: `Repr-Digest` (RFC 9530)."""
    found = re.search(r"sha-256=:([A-Za-z0-9+/]{43}=):", headers.get("repr-digest", ""))
    return b64decode(found[1]).hex() if found is not None else ""


def _problem(piece: Piece, partial: Partial, told: str) -> str:
    """Why the whole file is not the one that was wanted; empty when it is."""
    if piece.size is not None and partial.length != piece.size:
        return f"it has {partial.length} bytes and should have {piece.size}"
    wanted = piece.sha256 or told
    if wanted and partial.sha256 != wanted:
        return f"its sha256 is {partial.sha256[:12]}… and should be {wanted[:12]}…"
    if not wanted and piece.blob_id and _blob_id(partial.path) != piece.blob_id:
        return "its content is not what the hub announced"
    return _wrong_kind(piece, partial.path)


def _blob_id(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _wrong_kind(piece: Piece, path: Path) -> str:
    """A look at the first bytes: a page or a pointer that calls itself a model is found out here."""
    suffix = suffix_of(piece.path)
    with path.open("rb") as file:
        head = file.read(9)
    if suffix == ".gguf" and not head.startswith(b"GGUF"):
        return "it is not a GGUF file"
    good = len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size
    return "it is not a safetensors file" if suffix in (".safetensors", ".sft") and not good else ""
