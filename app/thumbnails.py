"""Small WebP pictures for lists, made when they are first asked for and kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from pathlib import Path

from app.files import write_atomic
from engines.api import EaselError, UserError, VideoFormat, is_video, last_frame, open_image, poster, save_video_as

log = logging.getLogger(__name__)

SIDE = 256  # pixels of the longer side
CACHE_BYTES = 200_000_000  # about 20,000 thumbnails
LOOK_EVERY = 200  # new thumbnails between two looks at the size of the cache


class ThumbnailStore:
    """Thumbnails in `folder`, named by path, size and time of the file: a changed file gets a new one."""

    def __init__(self, folder: Path, side: int = SIDE, limit_bytes: int = CACHE_BYTES) -> None:
        self._folder, self._side, self._limit = folder, side, limit_bytes
        self._made = 0

    def of(self, path: Path) -> Path:
        """The thumbnail of an image file. Raises `UserError("thumbnail-impossible")`."""
        try:
            stat = path.stat()
            key = f"{path.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}\0{self._side}"
            name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()  # names need not be UTF-8
            kept = self._folder / f"{name}.webp"
            if not kept.exists():
                write_atomic(kept, self._small(path))
                self._count()
        except (EaselError, OSError) as error:
            raise UserError("thumbnail-impossible", path=str(path), why=_why(error)) from error
        return kept

    def as_video(self, path: Path, kind: VideoFormat) -> Path:
        """The video as another kind of file, in the cache. Raises as `save_video_as` does."""
        kept = self._kept(path, f".{kind}{kind.suffix}")
        return kept if kept.exists() else save_video_as(path, kept, kind)

    def last_frame(self, path: Path) -> Path:
        """The last frame of a video as a PNG file in the cache. Raises as reading a video does."""
        kept = self._kept(path, ".last.png")
        if not kept.exists():
            buffer = io.BytesIO()
            last_frame(path).save(buffer, "PNG")
            write_atomic(kept, buffer.getvalue())
        return kept

    def _kept(self, path: Path, ending: str) -> Path:
        stat = path.stat()
        key = f"{path.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}"
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / (hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest() + ending)

    def _small(self, path: Path) -> bytes:
        from PIL import Image

        picture = poster(path) if is_video(path) else open_image(path)
        if max(picture.size) < self._side:  # pixels of a tiny picture stay pixels
            factor = self._side // max(picture.size)
            size = (picture.width * factor, picture.height * factor)
            picture = picture.resize(size, Image.Resampling.NEAREST)
        picture.thumbnail((self._side, self._side))
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=80)
        return buffer.getvalue()

    def _count(self) -> None:
        self._made += 1
        if self._made % LOOK_EVERY == 1:  # the first too: few sessions make 200
            with contextlib.suppress(OSError):  # another program may tidy at the same time
                self.tidy()

    def tidy(self) -> None:
        """Remove the oldest thumbnails until the cache is within its limit."""
        found = sorted(((path.stat(), path) for path in self._folder.glob("*.*")), key=lambda each: each[0].st_mtime)
        size = sum(stat.st_size for stat, _ in found)
        for stat, path in found:
            if size <= self._limit:
                return
            path.unlink(missing_ok=True)
            size -= stat.st_size


def _why(error: EaselError | OSError) -> str:
    """The reason alone: the titles of `open_image` speak of a picture to start from."""
    if isinstance(error, EaselError):
        return str(error.params.get("why") or error.message.cause)
    return error.strerror or str(error)
