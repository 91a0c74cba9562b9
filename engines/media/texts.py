"""Everything textual that a picture's file holds, whatever the container: PNG chunks, EXIF, XMP, comments, a sidecar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

from engines.media.video_save_as import moving_records

EXIF_POINTER = 0x8769
USER_COMMENT = 0x9286
# Tags that other programs keep their words in. The first three are plain texts of the main directory.
PLAIN_TAGS = {0x010E: "description", 0x010F: "make", 0x0110: "camera", 0x0131: "Software", USER_COMMENT: "comment"}
LABELLED = re.compile(r"^\s*(prompt|workflow|parameters|easel)\s*:\s*(?=[{\[\"])", re.I)
XMP_RECORD = re.compile(r"<easel:(record|infotext)>(.*?)</easel:\1>", re.S)
SIDECARS = (".txt", ".json")
SIDECAR_MOST = 2_000_000  # bytes of a file beside a picture that is read


def texts_of(source: Path | BytesIO) -> dict[str, str]:
    """The texts by key; a JPEG's comment comes as "parameters". Raises what Pillow raises for what is no picture."""
    from PIL import Image

    with Image.open(source) as picture:
        found = {str(key): str(value) for key, value in picture.info.items() if isinstance(value, str)}
        if isinstance(comment := picture.info.get("comment"), bytes):
            found.setdefault("comment", decoded(comment))
        found = {**dict(_exif(picture)), **found, **moving_records(picture)}
        xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    found |= _xmp(xmp)
    return found


def beside(path: Path) -> dict[str, str]:
    """What a small text file of the same name says: programs write one where the picture's file has no room."""
    found: dict[str, str] = {}
    for suffix, key in zip(SIDECARS, ("parameters", "easel"), strict=True):
        sidecar = path.with_suffix(suffix)
        try:
            if sidecar.is_file() and sidecar.stat().st_size <= SIDECAR_MOST:
                found[key] = sidecar.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return found


def decoded(data: bytes) -> str:
    """A UserComment as text: any of the three codes, either byte order, with or without a mark for it."""
    code, body = data[:8], data[8:]
    if code.startswith(b"UNICODE"):
        return _utf16(body)
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        data = body
    return data.decode("utf-8", "replace").strip("\0")


def _utf16(body: bytes) -> str:
    """Without a mark the order is the one in which more characters are of the first plane's beginning."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace").strip("\0")
    head = body[:2000]
    big = sum(1 for byte in head[0::2] if byte == 0) >= sum(1 for byte in head[1::2] if byte == 0)
    return body.decode("utf-16-be" if big else "utf-16-le", "replace").strip("\0")


def _exif(picture: Any) -> Iterator[tuple[str, str]]:
    try:
        exif = picture.getexif()
        comment = exif.get_ifd(EXIF_POINTER).get(USER_COMMENT)
    except Exception:  # Pillow raises many kinds for broken EXIF; the picture itself may be good
        return
    for tag, name in PLAIN_TAGS.items():
        value = exif.get(tag)
        text = decoded(value) if isinstance(value, bytes) else value
        if not isinstance(text, str) or not text.strip():
            continue
        label = LABELLED.match(text)
        yield (label[1].lower(), text[label.end() :]) if label else (name, text)
    if isinstance(comment, bytes) and comment.strip(b"\0 "):
        yield "parameters", decoded(comment)
    elif isinstance(comment, str) and comment.strip():
        yield "parameters", comment


def _xmp(packet: Any) -> Mapping[str, str]:
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet
    if not isinstance(text, str):
        return {}
    names = {"record": "easel", "infotext": "parameters"}
    return {names[name]: unescape(value) for name, value in XMP_RECORD.findall(text)}
