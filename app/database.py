"""SQLite files on a disk without room: told apart from broken ones, readable all the same, written when there is room."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

UNWRITABLE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
)

NO_DAMAGE = UNWRITABLE | {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM}


class Database:
    """One connection. Where the file cannot be written it is read as it is, and each write tries to open it anew.

    In WAL mode SQLite needs room before anything can be read: its index of the log is a file too.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` opens the file for reading and writing. Raises `sqlite3.Error` when not even reading is possible."""
        self.path, self._connect = path, connect
        self.writable = True
        try:
            self._connection = connect()
        except sqlite3.OperationalError as error:
            if not cannot_be_written(error) or _has_more_in_its_log(path):
                raise
            found = _read_only(path)
            if found is None:
                raise
            log.warning("%s can be read alone for now: %s", path.name, error)
            self._connection, self.writable = found, False

    @property
    def reading(self) -> sqlite3.Connection:
        """For reading."""
        return self._connection

    def writing(self) -> sqlite3.Connection:
        """For writing. Raises `sqlite3.OperationalError` while there is no room."""
        if not self.writable:
            fresh = self._connect()
            self._connection.close()
            self._connection, self.writable = fresh, True
            log.info("%s can be written again", self.path.name)
        return self._connection

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


def cannot_be_written(error: sqlite3.Error) -> bool:
    """Whether a disk that is full, or read-only, is the reason, and not the file."""
    return _code(error) in UNWRITABLE


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is the reason: neither a disk without room, nor another program that has it now."""
    return _code(error) not in NO_DAMAGE


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _has_more_in_its_log(path: Path) -> bool:
    """A program that was killed left changes which nobody can read without writing: better none than older rows."""
    log_file = path.with_name(f"{path.name}-wal")
    return log_file.exists() and log_file.stat().st_size > 0


def _read_only(path: Path) -> sqlite3.Connection | None:
    """The file as it was when it was last closed; nobody else can have changed it, for want of room. None for an empty one."""
    found = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        found.row_factory = sqlite3.Row
        if found.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return found
    except sqlite3.Error:
        log.debug("%s cannot be read either", path.name, exc_info=True)
    found.close()
    return None
