"""One window for each data folder: the second start asks the first to come to the front, and leaves.

The system holds the lock, so a killed program leaves nothing in the way. The request goes through a local socket (a
named pipe on Windows) that only this user can open, and works while the first program is still starting.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Client, Listener
from pathlib import Path

from filelock import FileLock, Timeout

from app.files import write_atomic

log = logging.getLogger(__name__)

SHOW = "show"
PATIENCE = 10.0  # seconds that a second start tries to reach the first one
TURN = 0.1


class Instance:
    """The right to have the window of one data folder. `take` gets it; `ask_first` speaks to whoever has it."""

    def __init__(self, data: Path) -> None:
        self._lock = FileLock(data / "window.lock")
        self._key_file = data / "window.key"
        self._address = _address(data)
        self._listener: Listener | None = None

    def take(self) -> bool:
        """Whether the window is ours to open."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def listen(self, on_show: Callable[[], None]) -> None:
        """Answer later starts: `on_show` is called, in a thread of its own, when somebody starts Easel again.

        Where that cannot be (no room on the disk for the key), later starts are told that the first does not answer.
        """
        try:
            self._open_door()
        except OSError:
            log.warning("later starts cannot be answered", exc_info=True)
            return
        threading.Thread(target=self._answer, args=(on_show,), name="instance", daemon=True).start()

    def _open_door(self) -> None:
        if sys.platform != "win32":
            Path(self._address).unlink(missing_ok=True)  # a killed program's; the lock says that it is not in use
        key = secrets.token_bytes(32)
        write_atomic(self._key_file, key)  # made by mkstemp: readable for this user alone
        self._listener = Listener(self._address, authkey=key)

    def ask_first(self) -> bool:
        """Ask the program that has the window to show it; whether it answered."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                with Client(self._address, authkey=self._key_file.read_bytes()) as first:
                    first.send(SHOW)
                    return first.recv() == SHOW
            except Exception as error:  # not there yet, another key, an end in mid-word: all of them are tried again
                log.debug("the first program does not answer yet: %r", error)
            time.sleep(TURN)
        return False

    def release(self) -> None:
        """Let go."""
        if self._listener is not None:
            self._listener.close()
        self._key_file.unlink(missing_ok=True)
        self._lock.release()

    def _answer(self, on_show: Callable[[], None]) -> None:
        assert self._listener is not None
        while True:
            try:
                with self._listener.accept() as second:
                    if second.poll(1.0) and second.recv() == SHOW:
                        second.send(SHOW)
                        on_show()
            except OSError:
                if self._closed:
                    return
            except Exception:  # a wrong key, or words that are none: not ours to fail over
                log.info("somebody else knocked", exc_info=True)

    @property
    def _closed(self) -> bool:
        return self._listener is None or getattr(self._listener, "_listener", None) is None


def _address(data: Path) -> str:
    """A short name that follows from the data folder: a socket's path may have 107 bytes."""
    mark = hashlib.sha256(str(data.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    if sys.platform == "win32":
        return rf"\\.\pipe\easel-{mark}"
    return str(_private_folder() / f"easel-{mark}")


def _private_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime)
    folder = Path(tempfile.gettempdir()) / f"easel-{os.getuid() if hasattr(os, 'getuid') else 0}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    return folder
