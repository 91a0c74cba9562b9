"""What was found in model files, remembered by path, size and time in one small SQLite file. Losing it costs a rescan."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.database import Database, is_damage

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, mark TEXT NOT NULL, facts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL, tensors TEXT NOT NULL);
"""


class ModelIndex:
    """Facts and hashes by path. `mark` says how they were found out: with another mark (a new Easel) they do not count."""

    def __init__(self, path: Path | None, mark: str) -> None:
        self.path, self._mark = path, mark
        self._lock = threading.Lock()
        self._database = self._opened()

    def facts(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Everything that counts: path to stamp and facts."""
        query = "SELECT path, stamp, facts FROM facts WHERE mark = ?"
        with self._lock:
            rows = self._database.reading.execute(query, (self._mark,)).fetchall()
        return {path: (stamp, json.loads(facts)) for path, stamp, facts in rows}

    def keep(self, found: Iterable[tuple[str, str, dict[str, Any]]], gone: Iterable[str] = ()) -> None:
        """Remember (path, stamp, facts), forget the paths that are gone. A full disk costs the memory, not the scan."""
        rows = [(path, stamp, self._mark, json.dumps(facts)) for path, stamp, facts in found]
        with self._lock, contextlib.suppress(sqlite3.Error), self._database.writing() as database:
            database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", rows)
            database.executemany("DELETE FROM facts WHERE path = ?", [(path,) for path in gone])

    def hashes(self, path: str, stamp: str) -> tuple[str, str]:
        """The file's sha256 and that of the bytes after its header, as hex; empty when nobody has computed them yet."""
        with self._lock:
            row = self._database.reading.execute(
                "SELECT sha256, tensors FROM hashes WHERE path = ? AND stamp = ?", (path, stamp)
            ).fetchone()
        return (row[0], row[1]) if row else ("", "")

    def keep_hashes(self, path: str, stamp: str, sha256: str, tensors: str) -> None:
        """Remember the hashes of the file as it was at `stamp`."""
        with self._lock, contextlib.suppress(sqlite3.Error), self._database.writing() as database:
            database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", (path, stamp, sha256, tensors))

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._database.close()

    def _opened(self) -> Database:
        """The file; a damaged one begins anew. A disk without room is no damage: hashes that took hours stay."""
        path = self.path
        if path is None:
            return _in_memory()
        try:
            return Database(path, lambda: _connected(path))
        except (sqlite3.Error, OSError) as error:
            log.warning("the index of models is damaged or cannot be written", exc_info=True)
            if isinstance(error, sqlite3.Error) and is_damage(error):
                with contextlib.suppress(OSError, sqlite3.Error):
                    path.unlink(missing_ok=True)
                    return Database(path, lambda: _connected(path))
        return _in_memory()


def _in_memory() -> Database:
    return Database(Path("models"), lambda: _connected(None))


def _connected(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=5)
    try:
        if path is not None:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(SCHEMA)
        database.execute("SELECT count(*) FROM facts").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database
