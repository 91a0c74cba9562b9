"""A video made longer: what was there before comes first in the file, and what the model makes follows without a seam."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engines import media
from engines.media.video_read import read_frames, read_sound, video_facts
from engines.media.video_write import Sound
from engines.types import GenerationRequest
from engines.video_rules import VideoRules

AT_ONCE = 16  # frames that are held in memory


class LeadIn:
    """The video that goes on: its frames, its sound, and how many of its last frames the model is shown."""

    def __init__(self, path: Path, request: GenerationRequest, rules: VideoRules) -> None:
        self._path, self._request = path, request
        self._facts = video_facts(path)
        self.frames = self._facts.frames
        self.overlap = rules.overlap(request.frames, self.frames)

    def chunks(self) -> Iterator[np.ndarray]:
        """Its frames in the size of the request, uint8 [n, height, width, 3], a few at a time."""
        size, few = (self._request.width, self._request.height), []
        for frame in read_frames(self._path):
            few.append(np.asarray(media.fit(frame, size)))
            if len(few) == AT_ONCE:
                yield np.stack(few)
                few = []
        if few:
            yield np.stack(few)

    def last(self) -> list[Any]:
        """Its last `overlap` frames as pictures in the size of the request."""
        size = (self._request.width, self._request.height)
        first = self.frames - self.overlap
        return [media.fit(frame, size) for number, frame in enumerate(read_frames(self._path)) if number >= first]

    def sound(self, made: Sound | None) -> Sound | None:
        """The sound of both parts, one after the other; silence for the part that has none. None where both have none."""
        if made is None and not self._facts.sound:
            return None
        rate = made.rate if made is not None else 48_000
        before = _long(read_sound(self._path, rate), self.frames / self._request.fps, rate)
        if made is None:
            return Sound(before, rate)
        fresh = made.samples[:, round(self.overlap / self._request.fps * rate) :]
        return Sound(
            np.concatenate([before, np.repeat(fresh, 2, axis=0)[:2] if len(fresh) == 1 else fresh], axis=1), rate
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, in words: how many frames are new, and what the model saw of the old ones."""
        fresh = self._request.frames - self.overlap
        seen = "the last one as a picture: it does not know how things moved"
        if self.overlap > 1:
            seen = f"the last {self.overlap}"
        notes = [f"{self.frames} frames were there, {fresh} are new; of the old ones the model saw {seen}"]
        if abs(self._facts.fps - self._request.fps) > 0.5:
            speed = f"{self._facts.fps:g} frames a second and now play at {self._request.fps}"
            notes.append(f"the old frames came at {speed}")
        return tuple(notes)


def _long(samples: np.ndarray, seconds: float, rate: int) -> np.ndarray:
    """`samples` [2, n] cut off or followed by silence, so that they last `seconds`."""
    wanted = round(seconds * rate)
    samples = samples[:, :wanted]
    return np.pad(samples, ((0, 0), (0, wanted - samples.shape[1])))
