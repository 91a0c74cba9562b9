"""News of jobs: what the orchestrator tells whoever subscribes, and how long a job still takes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.jobs import Job
from engines.api import Artifact, Progress, Stage

log = logging.getLogger(__name__)

News = TypeVar("News")


@dataclass(frozen=True)
class Event:
    """A change of `job`: a new state, a new file, or progress with the seconds that are left (None: not known yet)."""

    job: Job
    progress: Progress | None = None
    seconds_left: float | None = None
    artifact: Artifact | None = None


@dataclass(frozen=True)
class QueueChanged:
    """The queue was paused, let go on or put in another order; `order` holds the ids of the waiting jobs.

    `left` says that it is paused because the program ended while they waited.
    """

    paused: bool
    order: tuple[str, ...]
    left: bool = False


class EventHub(Generic[News]):
    """Calls every subscriber with every event, in the thread that caused it. A failing subscriber harms nobody else."""

    def __init__(self) -> None:
        self._subscribers: dict[int, Callable[[News], None]] = {}
        self._lock = threading.Lock()
        self._next = 0

    def subscribe(self, subscriber: Callable[[News], None]) -> Callable[[], None]:
        """Add a subscriber; the returned function removes it."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._subscribers[number] = subscriber
        return lambda: self._remove(number)

    def publish(self, event: News) -> None:
        """Tell everybody."""
        with self._lock:
            subscribers = list(self._subscribers.values())
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:
                log.exception("a subscriber failed")

    def _remove(self, number: int) -> None:
        with self._lock:
            self._subscribers.pop(number, None)


class Clock:
    """Time left of one job, from the pace of its steps so far; known from the third step on."""

    FIRST_ESTIMATE = 3

    def __init__(self) -> None:
        self._started: float | None = None
        self._first = 0.0

    def seconds_left(self, progress: Progress) -> float | None:
        """Seconds until the last picture's last step, by the mean pace of the steps that were seen."""
        if progress.stage is not Stage.DENOISE or not progress.total:
            return None
        done = progress.image * progress.total + progress.step
        now = time.monotonic()
        if self._started is None:
            # The first report comes after a step; what came before it (loading, encoding) says nothing of the pace.
            self._started, self._first = now, done
            return None
        seen = done - self._first
        if seen < self.FIRST_ESTIMATE - 1:
            return None
        return (progress.images * progress.total - done) * (now - self._started) / seen
