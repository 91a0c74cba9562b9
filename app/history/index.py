"""The history's index: one table of SQLite, a row for each picture. Whatever is wrong with it, it can be made again."""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.database import Database, is_damage
from app.files import set_aside
from app.history.picture import Picture
from engines.api import GenerationRequest, UserError

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    id TEXT PRIMARY KEY, path TEXT NOT NULL, created REAL NOT NULL, day TEXT NOT NULL, task TEXT NOT NULL,
    model TEXT NOT NULL, prompt TEXT NOT NULL, negative TEXT NOT NULL, seed INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, media TEXT NOT NULL, job TEXT NOT NULL, favourite INTEGER NOT NULL, request TEXT,
    words TEXT NOT NULL, loras TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS pictures_by_time ON pictures(created);
"""
# Made after an older index got its new column; with them the filters of 50,000 pictures take milliseconds.
INDEXES = """
CREATE INDEX IF NOT EXISTS pictures_by_day ON pictures(day);
CREATE INDEX IF NOT EXISTS pictures_by_model ON pictures(model, created);
CREATE INDEX IF NOT EXISTS pictures_by_seed ON pictures(seed);
"""
LORA = re.compile(r"<lora:([^:<>]+)")


class OldIndex(Exception):
    """The index has another version than ours."""


class Index:
    """Rows of the table `pictures`. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = _open(path)

    @property
    def complete(self) -> bool:
        """Whether a rebuild has come to its end since the index was begun."""
        return self.rows("PRAGMA user_version")[0][0] != 0

    def set_complete(self) -> None:
        """A rebuild has come to its end."""
        self.write(f"PRAGMA user_version = {SCHEMA_VERSION}", [()])

    def put(self, pictures: Iterable[Picture]) -> None:
        """List pictures, in place of what was listed under their ids."""
        rows = [_row(picture) for picture in pictures]
        for row in rows[:1]:
            columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            self.write(f"INSERT OR REPLACE INTO pictures ({columns}) VALUES ({marks})", rows)

    def remove(self, ids: Iterable[str]) -> None:
        """List these no more."""
        self.write("DELETE FROM pictures WHERE id = ?", [(each,) for each in ids])

    def find(self, where: str, values: Iterable[Any], limit: int = 1) -> tuple[Picture, ...]:
        """The pictures for which `where` holds, newest first."""
        query = f"SELECT * FROM pictures WHERE {where} ORDER BY created DESC, id LIMIT ?"
        return tuple(map(_picture, self.rows(query, (*values, limit))))

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """The answer to a query."""
        with self._lock:
            return self._db.reading.execute(query, tuple(values)).fetchall()

    def write(self, statement: str, rows: Sequence[Any]) -> None:
        """Run a statement for each of the rows, all or none. Raises `sqlite3.OperationalError` on a disk without room."""
        with self._lock, self._db.writing() as db:
            db.executemany(statement, rows)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()


def _open(path: Path) -> Database:
    """The index; a damaged one is set aside. Raises `UserError("history-not-opened")` where the file is not to blame."""
    try:
        return Database(path, lambda: _connect(path))
    except (sqlite3.DatabaseError, OldIndex) as error:
        if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
            raise UserError("history-not-opened", path=str(path), why=str(error)) from error
        log.warning("the history's index cannot be used (%s) and is made again", error)
    set_aside(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return Database(path, lambda: _connect(path))


def _connect(path: Path) -> sqlite3.Connection:
    with _closing_on_error(sqlite3.connect(path, check_same_thread=False, timeout=30)) as db:
        db.row_factory = sqlite3.Row
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, 1, SCHEMA_VERSION):
            raise OldIndex(f"version {version}")
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last rows; the files bring them back
        db.executescript(SCHEMA)  # the version stays 0 until the first rebuild is done
        _bring_up_to_date(db, version)
        db.executescript(INDEXES)
        return db


def _bring_up_to_date(db: sqlite3.Connection, version: int) -> None:
    """Version 1 had no column for LoRAs; the prompts know them."""
    if any(row["name"] == "loras" for row in db.execute("PRAGMA table_info(pictures)")):
        return
    with db:
        db.execute("ALTER TABLE pictures ADD COLUMN loras TEXT NOT NULL DEFAULT ''")
        rows = db.execute("SELECT id, prompt FROM pictures WHERE instr(prompt, '<lora:') > 0").fetchall()
        db.executemany(
            "UPDATE pictures SET loras = ? WHERE id = ?", [(_loras(row["prompt"]), row["id"]) for row in rows]
        )
        if version:
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def _closing_on_error(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield db
    except Exception:
        db.close()  # or Windows would not let the file be renamed
        raise


def _row(picture: Picture) -> dict[str, Any]:
    words = f"{picture.prompt}\n{picture.negative_prompt}\n{picture.model}\n{picture.seed}".casefold()
    return {
        "id": picture.id,
        "path": str(picture.path),
        "created": picture.created,
        "day": time.strftime("%Y-%m-%d", time.localtime(picture.created)),
        "task": picture.task,
        "model": picture.model,
        "prompt": picture.prompt,
        "negative": picture.negative_prompt,
        "seed": picture.seed,
        "width": picture.width,
        "height": picture.height,
        "media": picture.media_type,
        "job": picture.job,
        "favourite": int(picture.favourite),
        "request": picture.request.model_dump_json() if picture.request else None,
        "words": words,
        "loras": _loras(picture.prompt),
    }


def _picture(row: sqlite3.Row) -> Picture:
    return Picture(
        id=row["id"],
        path=Path(row["path"]),
        created=row["created"],
        task=row["task"],
        model=row["model"],
        prompt=row["prompt"],
        negative_prompt=row["negative"],
        seed=row["seed"],
        width=row["width"],
        height=row["height"],
        media_type=row["media"],
        job=row["job"],
        favourite=bool(row["favourite"]),
        request=_request(row["request"]),
    )


def _request(text: str | None) -> GenerationRequest | None:
    if not text:
        return None
    try:
        return GenerationRequest.model_validate_json(text)
    except ValidationError:
        return None


def _loras(prompt: str) -> str:
    """The names of the prompt's LoRAs between bars, so that each can be found whole."""
    names = dict.fromkeys(name.strip().casefold() for name in LORA.findall(prompt))
    return f"|{'|'.join(names)}|" if names else ""
