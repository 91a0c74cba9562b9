"""What a family's videos can be: how many frames, how fast, and what the model can be told about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DecodeKind(StrEnum):
    """How a family's decoder is fed, so that frames come out bit by bit."""

    CAUSAL = "causal"  # its own loop over time with a cache: frames are taken out of the loop
    WINDOWS = "windows"  # windows over time that overlap and are blended
    FRAMES = "frames"  # frame by frame, or a few at once


@dataclass(frozen=True)
class VideoRules:
    """Frames are `frame_step` * k + `frame_offset`, from `min_frames` to `max_frames`.

    `knows_fps`: the model is told the frames per second, so that they change the motion and not only the playing speed.
    `last_image`, `motion` and `sound`: it can be given a last picture, can be told how much moves, makes sound too.
    `needs_last_image`: it was made for two pictures and does not work with one. `goes_on_from` is how many of a video's last
    frames it goes on from at most: with one the video is made longer from a picture, and its motion is not known.
    """

    frame_step: int
    frame_offset: int
    min_frames: int
    max_frames: int
    decode: DecodeKind
    knows_fps: bool = False
    last_image: bool = False
    needs_last_image: bool = False
    goes_on_from: int = 1
    motion: bool = False
    sound: bool = False
    max_fps: int = 60

    def allows(self, frames: int) -> bool:
        """Whether the model can make this many frames."""
        return self.min_frames <= frames <= self.max_frames and (frames - self.frame_offset) % self.frame_step == 0

    def nearest(self, frames: int) -> tuple[int, ...]:
        """The allowed counts next to `frames`: itself, or one below and one above."""
        below = self._fit((frames - self.frame_offset) // self.frame_step)
        above = self._fit(-((self.frame_offset - frames) // self.frame_step))
        return tuple(sorted({below, above}))

    def frames_for(self, seconds: float, fps: int) -> int:
        """The allowed count that comes nearest to `seconds`; of two as near, the shorter."""
        return min(self.nearest(round(seconds * fps)), key=lambda count: abs(count - seconds * fps))

    def overlap(self, frames: int, found: int) -> int:
        """Of a video of `found` frames, how many of its last a run of `frames` goes on from: always fewer than it makes."""
        most = min(self.goes_on_from, found, frames - self.frame_step)
        k = (most - self.frame_offset) // self.frame_step
        return max(1, k * self.frame_step + self.frame_offset) if self.goes_on_from > 1 else 1

    @property
    def counts(self) -> str:
        """The rule in short: "4k+1"."""
        if self.frame_step == 1:
            return "any"
        return f"{self.frame_step}k" + (f"+{self.frame_offset}" if self.frame_offset else "")

    def _fit(self, k: int) -> int:
        low = -((self.frame_offset - self.min_frames) // self.frame_step)
        high = (self.max_frames - self.frame_offset) // self.frame_step
        return min(max(k, low), high) * self.frame_step + self.frame_offset
