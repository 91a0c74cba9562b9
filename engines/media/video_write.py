"""Videos written while their frames are made: playable up to the last chunk, in place all at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.errors import ResourceError
from engines.media.scheduling import usual_scheduling
from engines.types import VideoFormat

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

BT709, LIMITED = 1, 1  # ITU-T H.273: what every player takes a video without a word about colours for


@dataclass(frozen=True)
class Encoding:
    """How a format is made: container, codecs by preference, their options, and the container's options.

    Quality is set so that noise is the first thing to go: VP9 at crf 24 needs about 2 Mbit/s for 832x480 at 16 frames.
    """

    container: str
    codecs: Mapping[str, Mapping[str, str]]
    sound: tuple[str, ...]
    options: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=lambda: {"parameters": "parameters", "easel": "easel"})


# No frame is held back (lag 0) and clusters are short, so that what a killed run wrote plays to its end.
WEBM_OPTIONS = {"cluster_time_limit": "100", "flush_packets": "1"}
WEBM_TAGS = {"parameters": "PARAMETERS", "easel": "EASEL"}
VP9 = {"crf": "24", "deadline": "good", "cpu-used": "4", "row-mt": "1", "lag-in-frames": "0", "auto-alt-ref": "0"}
SVT_AV1 = {"crf": "28", "preset": "8", "svtav1-params": "lp=2:pred-struct=1"}
AOM_AV1 = {"crf": "28", "cpu-used": "8", "lag-in-frames": "0"}
H264 = {"crf": "18", "preset": "medium", "rc-lookahead": "8"}
# In pieces while it is written; `finish` then puts the index in front, so that it plays while it is loaded.
MP4_OPTIONS = {
    "movflags": "+frag_keyframe+empty_moov+default_base_moof+use_metadata_tags",
    "frag_duration": "500000",  # microseconds
    "flush_packets": "1",
}
MP4_FINAL = {"movflags": "+faststart+use_metadata_tags"}

ENCODINGS: Mapping[VideoFormat, Encoding] = {
    VideoFormat.WEBM: Encoding("webm", {"libvpx-vp9": VP9}, ("libopus", "opus"), WEBM_OPTIONS, WEBM_TAGS),
    VideoFormat.WEBM_AV1: Encoding(
        "webm", {"libsvtav1": SVT_AV1, "libaom-av1": AOM_AV1}, ("libopus", "opus"), WEBM_OPTIONS, WEBM_TAGS
    ),
    VideoFormat.MP4: Encoding("mp4", {"libx264": H264, "libopenh264": {}}, ("aac",), MP4_OPTIONS),
}


@dataclass(frozen=True)
class Sound:
    """A sound track: `samples` [channels, n] in -1 to 1 as float32, `rate` in hertz."""

    samples: np.ndarray
    rate: int


def codec_for(video_format: VideoFormat) -> str:
    """The encoder that is there for the format. Raises `ResourceError("encoder-missing")` with the formats that work."""
    from av.codec import codecs_available

    os.environ.setdefault("SVT_LOG", "1")  # errors alone: SVT-AV1 writes a page about itself otherwise
    encoding = ENCODINGS[video_format]
    found = next((name for name in encoding.codecs if name in codecs_available), None)
    if found is None:
        able = [str(each) for each, other in ENCODINGS.items() if set(other.codecs) & codecs_available]
        raise ResourceError(
            "encoder-missing", format=str(video_format), codecs=list(encoding.codecs), able=[*able, "gif", "webp"]
        )
    return found


def check_encoder(video_format: VideoFormat) -> None:
    """Raises `ResourceError("encoder-missing")` now, and not when a video has been made for minutes."""
    codec_for(video_format if video_format in ENCODINGS else VideoFormat.WEBM)  # the others are made from a WebM


class VideoWriter:
    """Writes one video of `size` (width, height) to `part`; `finish` moves it to `path`, whole or not at all.

    Frames come as uint8 [n, height, width, 3]. `tags` are "parameters" (the infotext) and "easel" (our record).
    """

    def __init__(
        self,
        path: Path,
        video_format: VideoFormat,
        size: tuple[int, int],
        fps: int,
        tags: Mapping[str, str],
        sound: Sound | None = None,
    ) -> None:
        import av

        self.path, self.part = path, part_of(path)
        self._encoding, self._fps, self._sound = ENCODINGS[video_format], fps, sound
        self._tick = Fraction(1, fps)
        codec = codec_for(video_format)
        self._tags = {self._encoding.tags[key]: text for key, text in tags.items()}
        options = {**self._encoding.options, "fflags": "+bitexact"}
        self._container = av.open(str(self.part), "w", format=self._encoding.container, options=options)
        self._container.metadata.update(self._tags)
        self._video = self._add_video(codec, size)
        self._audio = self._add_audio() if sound is not None else None
        self.frames, self._sounded = 0, 0

    def write(self, frames: np.ndarray) -> None:
        """Add frames at the end, and the sound that belongs to them."""
        from av import VideoFrame

        for pixels in frames:
            frame = VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)
            frame.pts, frame.time_base = self.frames, self._tick
            with nullcontext() if self.frames else usual_scheduling():  # the first frame opens the encoder
                self._mux(self._video, frame)
            self.frames += 1
        self._write_sound(self.frames / self._fps)

    def finish(self, tags: Mapping[str, str] | None = None) -> Path:
        """End the file, put it in its place in one step, and return where it is.

        `tags` replace those that the file was begun with, for what is known only when all frames are there.
        """
        self.close()
        if tags is not None:
            self._tags = {self._encoding.tags[key]: text for key, text in tags.items()}
        if tags is not None or self._encoding.container == "mp4":
            _pack_anew(self.part, self._encoding.container, self._tags)
        with self.part.open("rb+") as file:
            os.fsync(file.fileno())
        self.part.replace(self.path)
        return self.path

    def close(self) -> None:
        """End the file as it is, so that it plays up to the last frame; it stays under its temporary name."""
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            if self.frames:
                for stream in filter(None, (self._video, self._audio)):
                    for packet in stream.encode(None):
                        container.mux(packet)
        finally:
            container.close()

    def _mux(self, stream: Any, frame: Any) -> None:
        assert self._container is not None
        for packet in stream.encode(frame):
            self._container.mux(packet)

    def _add_video(self, codec: str, size: tuple[int, int]) -> Any:
        assert self._container is not None
        stream = self._container.add_stream(codec, rate=self._fps, options=dict(self._encoding.codecs[codec]))
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"  # pyright: ignore
        context: Any = stream.codec_context
        context.time_base = self._tick
        context.gop_size = self._fps * 2  # a place to jump to every two seconds
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        if codec.startswith(("libvpx", "libaom")):
            context.bit_rate = 0  # or crf would be a limit and not the goal
        return stream

    def _add_audio(self) -> Any:
        from av.codec import codecs_available

        assert self._container is not None
        codec = next((name for name in self._encoding.sound if name in codecs_available), None)
        if codec is None:
            raise ResourceError(
                "encoder-missing", format="sound", codecs=list(self._encoding.sound), able=["gif", "webp"]
            )
        stream = self._container.add_stream(codec, rate=48_000)
        stream.codec_context.layout = "stereo"  # pyright: ignore
        return stream

    def _write_sound(self, until: float) -> None:
        """Encode the sound up to `until` seconds: sound and picture lie side by side in the file."""
        if self._audio is None or self._sound is None:
            return
        import av
        import numpy as np

        end = min(round(until * self._sound.rate), self._sound.samples.shape[1])
        samples = self._sound.samples[:, self._sounded : end]
        if samples.shape[1] == 0:
            return
        stereo = np.repeat(samples, 2, axis=0) if samples.shape[0] == 1 else samples[:2]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(stereo, dtype=np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = self._sound.rate, self._sounded
        self._mux(self._audio, frame)
        self._sounded = end


def part_of(path: Path) -> Path:
    """Where a video is kept while it is written: it plays, and its name says that it is not whole."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def _pack_anew(path: Path, container: str, tags: Mapping[str, str]) -> None:
    """Copy the packets into a plain file with these tags, an MP4's index in front; nothing is encoded anew."""
    import av

    options = {**(MP4_FINAL if container == "mp4" else {}), "fflags": "+bitexact"}
    whole = path.with_name(f"{path.stem}.whole{path.suffix}")
    try:
        with (
            av.open(str(path)) as source,
            av.open(str(whole), "w", format=container, options=options) as target,
        ):
            target.metadata.update(tags)
            streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        whole.replace(path)
    finally:
        with suppress(OSError):
            whole.unlink(missing_ok=True)
