"""How large a video's file will be, before it is made: by what such files took here, else by what was measured once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from app.measured import Measured
from engines.api import GenerationRequest, VideoFormat

# Bytes a pixel and frame, measured at 320x256 with 24 frames: a picture that is panned and zoomed with a little grain, and
# noise, which is the most that an encoder can be given. GIF and WebP are made from a WebM that lies beside them meanwhile.
USUAL: Mapping[VideoFormat, float] = {
    VideoFormat.WEBM: 0.034,
    VideoFormat.WEBM_AV1: 0.025,
    VideoFormat.MP4: 0.039,
    VideoFormat.GIF: 0.59,
    VideoFormat.WEBP: 0.19,
}
NOISE: Mapping[VideoFormat, float] = {
    VideoFormat.WEBM: 0.74,
    VideoFormat.WEBM_AV1: 0.68,
    VideoFormat.MP4: 0.68,
    VideoFormat.GIF: 1.31,
    VideoFormat.WEBP: 0.68,
}
FRAME = 60_000  # bytes of every file beside its frames: the container, and the records of how it was made
SPREAD = 3.0  # times the largest that was seen here, for a wish with more in it
RECENT = 20  # files that are looked at
NEAR = 16.0  # times the pixels: a much smaller file says more of its container than of its frames


@dataclass(frozen=True)
class FileSize:
    """Bytes of one video's file: `likely`, and `most`. `learned` says that both come from files made on this computer."""

    likely: int
    most: int
    learned: bool


def file_size(request: GenerationRequest, measured: Measured) -> FileSize:
    """The size of each file that the request makes; of the same model's files where there are any."""
    kind = request.video_format
    pixels = request.width * request.height * request.frames
    rows = [row for row in measured.every() if row.kind == kind and row.file_bytes]
    rows = [row for row in rows if 1 / NEAR <= pixels / row.pixels <= NEAR]
    rows = [row for row in rows if row.model == request.model] or rows
    if not rows:
        return FileSize(FRAME + round(pixels * USUAL[kind]), FRAME + round(pixels * NOISE[kind]), False)
    paces = [row.file_bytes / row.count / row.pixels for row in rows[-RECENT:]]
    likely, most = median(paces), max(NOISE[kind], median(paces))
    return FileSize(round(pixels * likely), FRAME + round(pixels * min(most, SPREAD * max(paces))), True)
