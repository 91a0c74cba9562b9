"""Pictures as files of any kind that Easel writes, with both records where the kind has room for them.

PNG has chunks. JPEG, WebP and AVIF have the infotext in EXIF's UserComment, in the one spelling that every reader takes
(type UNDEFINED, "UNICODE", UTF-16 with the big end first), and our own record in an XMP packet. What is too long for a
file's frame lies beside it, in a .txt and a .json of the same name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.media.infotext import write_infotext
from engines.media.record import INFOTEXT_KEY, RECORD_KEY, full_record
from engines.records import ModelRecord
from engines.types import GenerationRequest, ImageFormat

if TYPE_CHECKING:
    from PIL.Image import Image

COMMENT_MOST = 32_000  # characters: as UTF-16 they fill the 65,535 bytes of a JPEG's segment
XMP_MOST = 65_000  # bytes: the same for the packet
NAMESPACE = "https://easel.invalid/ns/1.0/"
QUALITY: Mapping[ImageFormat, dict[str, Any]] = {
    # Full colour resolution: the usual halving smears what a model draws in red and blue.
    ImageFormat.JPEG: {"quality": 95, "subsampling": 0, "optimize": True},
    ImageFormat.WEBP: {"quality": 95, "method": 4},
    ImageFormat.AVIF: {"quality": 85, "speed": 6},
}


def save_picture(
    picture: Image,
    path: Path,
    request: GenerationRequest,
    record: ModelRecord,
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
    *,
    with_metadata: bool = True,
) -> None:
    """Write the picture of `request` (one picture, its own seed) to `path`: whole or not at all, the same bytes always.

    `notes` say what had to be done otherwise than asked.
    No time is written: the file system keeps it, and the same request gives the same file.
    """
    options: dict[str, Any] = dict(QUALITY.get(request.image_format, {}))
    beside: dict[str, str] = {}
    if with_metadata:
        infotext = write_infotext(request, record, facts)
        own = full_record(request, record, facts, notes)
        frame, beside = _frame(request.image_format, infotext, own)
        options |= frame
    for suffix, text in beside.items():
        _whole(path.with_suffix(suffix), lambda file, text=text: file.write(text.encode()))
    _whole(path, lambda file: picture.save(file, format=request.image_format.upper(), **options))


def _frame(kind: ImageFormat, infotext: str, own: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What goes into the file, as options of Pillow, and what has to lie beside it, by suffix."""
    if kind is ImageFormat.PNG:
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        chunks.add_text(INFOTEXT_KEY, infotext)
        chunks.add_itxt(RECORD_KEY, own)
        return {"pnginfo": chunks}, {}
    inside: dict[str, Any] = {}
    beside: dict[str, str] = {}
    if len(infotext) <= COMMENT_MOST:
        inside["exif"] = user_comment(infotext)
    else:
        beside[".txt"] = infotext
    packet = xmp_packet(own)
    if len(packet) <= XMP_MOST:
        inside["xmp"] = packet
    else:
        beside[".json"] = own
    return inside, beside


def user_comment(text: str, description: str = "") -> bytes:
    """EXIF with `text` as UserComment, and a description in ASCII if there is one.

    Pillow's own writer gives the comment a type that breaks readers; piexif does not.
    """
    import piexif

    # piexif's helper knows neither half of a surrogate pair nor the byte order that readers want.
    comment = b"UNICODE\0" + text.encode("utf-16-be", "replace")
    first = {piexif.ImageIFD.ImageDescription: description.encode("ascii")} if description else {}
    return piexif.dump({"0th": first, "Exif": {piexif.ExifIFD.UserComment: comment}})


def xmp_packet(own: str) -> bytes:
    """An XMP packet that holds our record as one property."""
    text = escape(own, quote=False)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:easel="{NAMESPACE}"><easel:record>{text}</easel:record></rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def _whole(path: Path, write: Any) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
