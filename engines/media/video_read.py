"""Videos read back: what they are, how they were made, single frames. Damaged and foreign files get a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.errors import EaselError, UserError
from engines.media.images import picture_size

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

SUFFIXES = frozenset({".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v"})
PIXEL_LIMIT = 16_000_000  # a frame of 4096x4096 is more than any model here makes
FRAME_LIMIT = 20_000  # a quarter of an hour at 24 frames per second


@dataclass(frozen=True)
class VideoFacts:
    """What a video file is; `frames` is counted from its packets, `seconds` is frames over fps."""

    width: int
    height: int
    frames: int
    fps: float
    codec: str
    container: str
    sound: bool

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.frames / self.fps if self.fps else 0.0


def is_video(path: Path) -> bool:
    """Whether the name is a video's."""
    return path.suffix.lower() in SUFFIXES


def video_facts(path: Path) -> VideoFacts:
    """The facts, without decoding a frame. Raises `UserError` for a file that is missing, broken or huge."""
    with _open(path) as (container, stream):
        frames = 0
        for packet in container.demux(stream):
            frames += packet.size > 0
            if frames > FRAME_LIMIT:
                raise UserError("video-too-large", path=str(path), what=f"more than {FRAME_LIMIT} frames")
        context = stream.codec_context
        return VideoFacts(
            context.width,
            context.height,
            frames,
            float(stream.average_rate or stream.guessed_rate or 0),
            context.codec.canonical_name,
            container.format.name,
            bool(container.streams.audio),
        )


def frame_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, of a video or of a moving picture. Raises as `video_facts` does."""
    if not is_video(path):
        return picture_size(path)
    with _open(path) as (_container, stream):
        return stream.codec_context.width, stream.codec_context.height


def video_tags(path: Path) -> dict[str, str]:
    """The container's text records, keys in lower case. Raises as `video_facts` does."""
    with _open(path) as (container, _stream):
        return {key.lower(): value for key, value in container.metadata.items()}


def read_frames(path: Path, limit: int | None = None) -> Iterator[Image]:
    """The frames in order as RGB, at most `limit`. Raises as `video_facts` does, also in the middle of a broken file."""
    with _open(path) as (container, stream):
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if limit is not None and number >= limit:
                return
            yield frame.to_image()


def read_sound(path: Path, rate: int) -> np.ndarray:
    """The sound as float32 [2, n] at `rate` samples a second, nothing where there is none. Raises as `video_facts` does."""
    import av
    import numpy as np

    with _open(path) as (container, _stream):
        if not container.streams.audio:
            return np.zeros((2, 0), np.float32)
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
        frames = [*container.decode(audio=0), None]  # the end gives what the resampler has held back
        pieces = [made.to_ndarray() for frame in frames for made in resampler.resample(frame)]
        return np.concatenate(pieces, axis=1) if pieces else np.zeros((2, 0), np.float32)


def poster(path: Path) -> Image:
    """A picture that stands for the video: its first frame. Raises as `video_facts` does."""
    for picture in read_frames(path, 1):
        return picture
    raise UserError("video-broken", path=str(path), why="it holds no frame")


def last_frame(path: Path) -> Image:
    """The frame at which another video can go on. Raises as `video_facts` does."""
    found = None
    for found in read_frames(path):  # noqa: B007 - the last one is what is wanted
        pass
    if found is None:
        raise UserError("video-broken", path=str(path), why="it holds no frame")
    return found


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    import av

    if not path.is_file():
        raise UserError("video-missing", path=str(path))
    try:
        # No other protocol than a plain file: a playlist must not reach out.
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise UserError("video-broken", path=str(path), why="it holds no picture track")
            stream = container.streams.video[0]
            context = stream.codec_context
            if context.width * context.height > PIXEL_LIMIT:
                raise UserError("video-too-large", path=str(path), what=f"{context.width}x{context.height} pixels")
            yield container, stream
    except EaselError:
        raise
    except (av.FFmpegError, ValueError, OSError) as error:
        why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
        raise UserError("video-broken", path=str(path), why=why) from error
