"""How the stand-in misbehaves: each trick is ordered for a path and a number of answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

KINDS = frozenset(
    {
        "drop",  # the line is cut after `after` bytes
        "truncate",  # a clean end after `after` bytes, as if the file were no longer
        "overrun",  # more bytes than the file has
        "ignore-range",  # the whole file, whatever part was asked for
        "wrong-range",  # another part than was asked for
        "new-etag",  # another version of the file
        "no-validator",  # neither ETag nor Last-Modified
        "flip",  # one bit is another at byte `after`
        "stall",  # silence after `after` bytes
        "slow",  # `rate` bytes a second
        "circle",  # a redirect to itself
        "to-file",  # a redirect to file://
        "to-elsewhere",  # a redirect to an unprotected address of another host
        "name",  # Content-Disposition says `text`
        "html",  # a page to log in at instead of the file
        "pointer",  # a large-file pointer instead of the file
        "status",  # the status `number` and nothing else
        "gzip",  # a body that is packed although nobody asked
    }
)


@dataclass
class Trick:
    """One order; `times` counts down, below zero means always."""

    path: str
    kind: str
    times: int = 1
    after: int = 0
    rate: int = 0
    number: int = 0
    text: str = ""


@dataclass
class Orders:
    """The tricks that are still to be played."""

    open: list[Trick] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, path: str, kind: str, **how: Any) -> None:
        """Order a trick for paths that contain `path`."""
        assert kind in KINDS, kind
        with self._lock:
            self.open.append(Trick(path, kind, **how))

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self.open.clear()

    def take(self, path: str) -> Trick | None:
        """The trick to play for this answer, if any."""
        with self._lock:
            for trick in self.open:
                if trick.path in path and trick.times != 0:
                    trick.times -= 1
                    return trick
        return None
