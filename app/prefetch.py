"""The next model's files, read ahead into the system's own cache while the first model works: it then loads without the disk.

Only files are read, nothing is loaded: the engine that works shares its process with nobody. What was read ahead counts as free
memory to the system, which gives it away as soon as anybody needs the room.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)

PIECE = 1 << 22  # bytes that are read at a time; Stop is looked for between two
SPARE = 700_000_000  # bytes that stay free, as in a plan
REMEMBERED = 8  # models whose files were read; the engine keeps the last ones loaded anyway

Files = tuple[Path, ...]


class Prefetch:
    """Reads one model ahead at a time. `free` gives the bytes that nobody uses now."""

    def __init__(self, free: Callable[[], int]) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._read: OrderedDict[Files, None] = OrderedDict()
        self.bytes_read = 0

    def begin(self, files: Iterable[Path], needed: int) -> bool:
        """Read these files in the background, unless there is no room; whether it was begun.

        `needed` are bytes that the work of now may still take. Files that were read before are not read again.
        """
        found = tuple(sorted(set(files)))
        size = _size(found)
        with self._lock:
            if not size or found in self._read or (self._thread is not None and self._thread.is_alive()):
                return False
            if self._free() - needed - SPARE < size:
                log.info("the next model is not read ahead why=no room size=%d", size)
                return False
            self._read[found] = None
            while len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
            self._stop.clear()
            self._thread = threading.Thread(target=self._work, args=(found,), name="prefetch", daemon=True)
            self._thread.start()
        return True

    def used(self, files: Iterable[Path]) -> None:
        """The engine loads these now: it reads them itself, or has them; they need no reading ahead."""
        found = tuple(sorted(set(files)))
        with self._lock:
            self._read[found] = None
            self._read.move_to_end(found)

    def end(self) -> None:
        """Stop reading, and wait until it has stopped."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def wait(self) -> None:
        """Wait until what was begun is read."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self, files: Files) -> None:
        room = bytearray(PIECE)
        for path in files:
            try:
                with path.open("rb", buffering=0) as file:
                    while not self._stop.is_set() and (count := file.readinto(room)):
                        self.bytes_read += count
            except OSError:
                log.info("a file of the next model cannot be read ahead file=%s", path.name)


def _size(files: Files) -> int:
    """Bytes of those that are there; 0 where a disk or a network does not answer, which is the next job's trouble."""
    try:
        return sum(path.stat().st_size for path in files if path.is_file())
    except OSError:
        log.info("the next model is not read ahead why=its files cannot be looked at")
        return 0
