"""How fast a download is and how long it still takes, from what came in the last seconds."""

from __future__ import annotations

import time
from collections import deque

WINDOW = 8.0  # seconds that the speed is the mean of


class Pace:
    """Speed in bytes a second and seconds left; both None until a second has been seen."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, there: int) -> None:
        """So many bytes are there now."""
        now = time.monotonic()
        if self._seen and there < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, there))
        while now - self._seen[0][0] > WINDOW:
            self._seen.popleft()

    @property
    def speed(self) -> float | None:
        """Bytes a second."""
        if len(self._seen) < 2:
            return None
        (begun, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - begun) if ended - begun >= 1 else None

    def seconds_left(self, total: int | None) -> float | None:
        """Until `total` bytes are there."""
        speed = self.speed
        return None if not speed or total is None else (total - self._seen[-1][1]) / speed
