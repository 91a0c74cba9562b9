"""The history: every made picture, found again by words, day, task, model or a star. The files are the truth.

The index is a cache in SQLite; when it is lost or broken it is made again from the files and what they say of
themselves. Favourites are the one thing that no file says, and have a small file of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import mimetypes
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from send2trash import send2trash

from app.boards import BoardStore
from app.events import Event
from app.files import write_atomic
from app.jobs import Job
from engines.api import (
    SEED_MAX,
    Artifact,
    EaselError,
    GenerationRequest,
    UserError,
    frame_size,
    read_metadata,
)

log = logging.getLogger(__name__)

SCHEMA_VERSION, STARS_VERSION = 2, 1  # of the index, and of the file of stars
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".mp4", ".webm"})
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
COLUMNS = (
    "id path created day task model prompt negative seed width height media job favourite request words loras".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Picture:
    """A made file. `created` is in seconds since the epoch; `request` makes it again, where the file holds it."""

    id: str
    path: Path
    created: float
    task: str
    model: str
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    media_type: str
    job: str = ""
    favourite: bool = False
    request: GenerationRequest | None = None


@dataclass(frozen=True)
class Query:
    """What is looked for: all words of `text` in prompts or model, `day` as YYYY-MM-DD, `before` for the next page.

    `since` and `until` are days too, both included. `lora` is a LoRA's name, `board` the name of a board.
    """

    text: str = ""
    task: str = ""
    model: str = ""
    favourites: bool = False
    day: str = ""
    before: float | None = None
    limit: int = 60
    seed: int | None = None
    lora: str = ""
    since: str = ""
    until: str = ""
    board: str = ""


def picture_id(path: Path, outputs: Path) -> str:
    """The id of a file: it stays when the index is made again, and says nothing of where the file lies."""
    inside = path.is_relative_to(outputs)
    name = path.relative_to(outputs).as_posix() if inside else path.as_posix()
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class HistoryStore:
    """The index of the pictures in `outputs`, and of those that jobs put elsewhere. Safe to use from several threads."""

    def __init__(self, index: Path, favourites: Path, outputs: Path) -> None:
        self._index, self._favourites_file, self.outputs = index, favourites, outputs
        self.folders: tuple[Path, ...] = ()  # those of other programs, whose pictures are listed where they are
        self.boards = BoardStore(favourites.with_name("boards.json"))
        self._lock = threading.RLock()
        self._favourites = self._load_favourites()
        index.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._open()

    @property
    def missing(self) -> bool:
        """Whether the index was lost, broken or of another version, so that `rebuild` is needed.

        It is until a rebuild has come to its end, also when Easel was closed before.
        """
        return self._rows("PRAGMA user_version", ())[0][0] == 0

    def add(self, job: Job, artifact: Artifact) -> Picture:
        """List a published file."""
        request = job.request.image(artifact.index).with_(seed=artifact.seed)
        picture = Picture(
            id=picture_id(artifact.path, self.outputs),
            path=artifact.path,
            created=_changed(artifact.path) or time.time(),  # the file's time, as after a rebuild
            task=str(request.task),
            model=request.model,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            seed=artifact.seed,
            width=artifact.width,
            height=artifact.height,
            media_type=artifact.media_type,
            job=job.id,
            request=request,
        )
        self._put([picture])
        return picture

    def get(self, picture: str) -> Picture:
        """The picture with this id. Raises `UserError("picture-unknown")`."""
        rows = self._rows("SELECT * FROM pictures WHERE id = ?", (picture,))
        if not rows:
            raise UserError("picture-unknown", id=picture)
        return _picture(rows[0])

    def search(self, query: Query) -> tuple[Picture, ...]:
        """What fits the query, newest first."""
        wheres, values = _conditions(query)
        if query.board:
            ids = [picture_id(self._place(name), self.outputs) for name in self.boards.on(query.board)]
            wheres.append("id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(ids))
        where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
        rows = self._rows(f"SELECT * FROM pictures {where} ORDER BY created DESC, id LIMIT ?", (*values, query.limit))
        return tuple(map(_picture, rows))

    def days(self) -> tuple[tuple[str, int], ...]:
        """Each day with something on it, newest first, and how much."""
        rows = self._rows("SELECT day, COUNT(*) AS number FROM pictures GROUP BY day ORDER BY day DESC", ())
        return tuple((row["day"], row["number"]) for row in rows)

    def models(self) -> tuple[str, ...]:
        """The models that something was made with."""
        rows = self._rows("SELECT DISTINCT model FROM pictures WHERE model != '' ORDER BY model", ())
        return tuple(row["model"] for row in rows)

    def loras(self) -> tuple[str, ...]:
        """The LoRAs that something was made with."""
        rows = self._rows("SELECT DISTINCT loras FROM pictures WHERE loras != ''", ())
        return tuple(sorted({name for row in rows for name in row["loras"].strip("|").split("|")}))

    def put_on_board(self, board: str, pictures: Sequence[str]) -> int:
        """Put pictures, by their ids, on a board; returns how many are new there. Raises `UserError`."""
        return self.boards.add(board, [self._name(self.get(picture).path) for picture in pictures])

    def take_off_board(self, board: str, pictures: Sequence[str]) -> None:
        """Take pictures, by their ids, off a board."""
        self.boards.remove(board, [self._name(self.get(picture).path) for picture in pictures])

    def forget(self, paths: Iterable[Path]) -> None:
        """List these files no more; nothing happens to them."""
        self._write("DELETE FROM pictures WHERE id = ?", [(picture_id(path, self.outputs),) for path in paths])

    def set_favourite(self, picture: str, favourite: bool) -> Picture:
        """Give or take the star. Raises `UserError` for an unknown picture or a full disk."""
        found = self.get(picture)
        with self._lock:
            before = set(self._favourites)
            (self._favourites.add if favourite else self._favourites.discard)(self._name(found.path))
            try:
                self._save_favourites()
            except OSError as error:
                self._favourites = before
                raise UserError("favourite-not-saved", why=error.strerror or str(error)) from error
            self._write("UPDATE pictures SET favourite = ? WHERE id = ?", [(int(favourite), picture)])
        return replace(found, favourite=favourite)

    def trash(self, picture: str) -> None:
        """Move the file to the system's trash. Raises `UserError("picture-not-trashed")`; it is then still listed."""
        found = self.get(picture)
        try:
            if found.path.exists():
                send2trash(found.path)
        except OSError as error:
            raise UserError("picture-not-trashed", path=str(found.path), why=error.strerror or str(error)) from error
        self._write("DELETE FROM pictures WHERE id = ?", [(picture,)])
        self._forget_star(found.path)
        with contextlib.suppress(UserError):  # the picture is in the trash already: that is no failure
            self.boards.forget(self._name(found.path))

    def rebuild(self, check: Callable[[], None] = lambda: None) -> int:
        """Make the index again from the files in the outputs folder; returns how many are listed.

        `check` is called between files and may raise to end it; what was read by then stays listed.
        """
        rows = self._rows("SELECT id, path, created, job FROM pictures", ())
        self._write("DELETE FROM pictures WHERE id = ?", [(row["id"],) for row in rows if not _there(row)])
        known = {row["path"]: row for row in rows}
        for folder in (self.outputs, *self.folders):
            self._read_folder(folder, known, check)
        self._write(f"PRAGMA user_version = {SCHEMA_VERSION}", [()])
        return self._rows("SELECT COUNT(*) AS number FROM pictures", ())[0]["number"]

    def read_folder(self, folder: Path, check: Callable[[], None] = lambda: None) -> int:
        """List the pictures of another program's folder where they are; returns how many. Raises `UserError`."""
        if not folder.is_dir():
            raise UserError("history-folder-missing", folder=str(folder))
        rows = self._rows("SELECT id, path, created, job FROM pictures", ())
        return self._read_folder(folder.absolute(), {row["path"]: row for row in rows}, check)

    def leave_folder(self, folder: Path) -> int:
        """List the pictures below a folder no more; returns how many there were. The files stay as they are.

        What Easel made is listed all the same, and so is what another listed folder holds.
        """
        folder = folder.absolute()
        others = (self.outputs, *(each for each in self.folders if each != folder))
        rows = self._rows("SELECT id, path FROM pictures WHERE job = ''", ())
        found = [(row["id"], Path(row["path"])) for row in rows]
        inside = [
            (name,)
            for name, path in found
            if path.is_relative_to(folder) and not any(path.is_relative_to(other) for other in others)
        ]
        self._write("DELETE FROM pictures WHERE id = ?", inside)
        return len(inside)

    def _read_folder(self, folder: Path, known: Mapping[str, sqlite3.Row], check: Callable[[], None]) -> int:
        number = 0
        for number, path in enumerate(output_files(folder), 1):  # noqa: B007 (the last number is what is wanted)
            check()
            self._read_again(path, known.get(str(path)))
        return number

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()

    def _read_again(self, path: Path, row: sqlite3.Row | None) -> None:
        """List the file, unless its row is of the file's time; a file that cannot be read is not listed."""
        if row is not None and row["created"] == _changed(path):
            return
        try:
            self._put([replace(self._from_file(path), job=row["job"] if row is not None else "")])
        except (EaselError, OSError, UnicodeError) as error:  # UnicodeError: SQLite takes no name that is not UTF-8
            log.info("a file of the outputs folder is left out why=%s", type(error).__name__)
            if row is not None:
                self._write("DELETE FROM pictures WHERE id = ?", [(row["id"],)])

    def _from_file(self, path: Path) -> Picture:
        media = mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"
        found, (width, height) = read_metadata(path), frame_size(path)
        request, said = found.request, found.settings
        return Picture(
            id=picture_id(path, self.outputs),
            path=path,
            created=path.stat().st_mtime,
            task=str(request.task) if request else "",
            model=request.model if request else said.get("Model", ""),
            prompt=request.prompt if request else said.get("Prompt", ""),
            negative_prompt=request.negative_prompt if request else said.get("Negative prompt", ""),
            seed=request.seed if request else _seed(said.get("Seed", "")),
            width=width,
            height=height,
            media_type=media,
            request=request,
        )

    def _put(self, pictures: Iterable[Picture]) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        rows = [_row(replace(each, favourite=self._name(each.path) in self._favourites)) for each in pictures]
        self._write(f"INSERT OR REPLACE INTO pictures ({', '.join(COLUMNS)}) VALUES ({marks})", rows)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.outputs).as_posix() if path.is_relative_to(self.outputs) else path.as_posix()

    def _place(self, name: str) -> Path:
        """The path behind a name; what lies in the outputs folder is named from there."""
        return self.outputs / name

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self._index)
        except (sqlite3.DatabaseError, OldIndex) as error:
            log.warning("the history's index cannot be used (%s) and is made again", error)
        _set_aside(self._index)
        return _connect(self._index)

    def _load_favourites(self) -> set[str]:
        try:
            data = json.loads(self._favourites_file.read_text(encoding="utf-8"))
            return {str(name) for name in data["favourites"]}
        except FileNotFoundError:
            return set()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.warning("the favourites cannot be read", exc_info=True)
            _set_aside(self._favourites_file)
            return set()

    def _forget_star(self, path: Path) -> None:
        """A later picture may get the trashed one's name, and must not get its star."""
        with self._lock:
            if (name := self._name(path)) not in self._favourites:
                return
            self._favourites.discard(name)
            try:
                self._save_favourites()
            except OSError:  # the picture is in the trash already: that is no failure
                log.warning("the favourites cannot be written", exc_info=True)

    def _save_favourites(self) -> None:
        content = {"schema_version": STARS_VERSION, "favourites": sorted(self._favourites)}
        write_atomic(self._favourites_file, json.dumps(content, ensure_ascii=False, indent=1).encode())

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._lock, self._db:
            self._db.executemany(statement, rows)

    def _rows(self, query: str, values: Iterable[Any]) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, tuple(values)).fetchall()


class Recorder:
    """Lists each file of a job as soon as it is published."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history
        self._unlisted: list[tuple[Job, Artifact]] = []  # for want of room on the disk

    def on_event(self, event: Event) -> None:
        """Called with every event; a new file comes with one that has no progress. What could not be listed is tried again."""
        if event.progress is not None:
            return
        waiting = [*self._unlisted, *([(event.job, event.artifact)] if event.artifact is not None else [])]
        self._unlisted = []
        for job, artifact in waiting:
            try:
                self._history.add(job, artifact)
            except sqlite3.OperationalError:
                log.warning("the history has no room for a file of job=%s", job.id, exc_info=True)
                self._unlisted.append((job, artifact))

    def catch_up(self, jobs: Iterable[Job]) -> None:
        """List the files of jobs whose program was killed, maybe between publishing a file and listing it."""
        for job in jobs:
            for artifact in job.artifacts:
                if artifact.path.is_file():
                    self._history.add(job, artifact)


class OldIndex(Exception):
    """The index has another version than ours."""


def output_files(folder: Path) -> Iterator[Path]:
    """Pictures and videos below `folder`, hidden ones left out; links are not followed out of it."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and not path.is_symlink():
                yield path


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    wheres, values = [], []
    for word in query.text.casefold().split():
        wheres.append("instr(words, ?) > 0")
        values.append(word)
    for column, value in (("task", query.task), ("model", query.model), ("day", query.day)):
        if value:
            wheres.append(f"{column} = ?")
            values.append(value)
    if query.seed is not None:
        wheres.append("seed = ?")
        values.append(query.seed)
    if query.lora:
        wheres.append("instr(loras, ?) > 0")
        values.append(f"|{query.lora.casefold()}|")
    for sign, bound in ((">=", query.since), ("<=", query.until)):
        if bound:
            wheres.append(f"day {sign} ?")
            values.append(bound)
    if query.favourites:
        wheres.append("favourite = 1")
    if query.before is not None:
        wheres.append("created < ?")
        values.append(query.before)
    return wheres, values


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


def _there(row: sqlite3.Row) -> bool:
    return Path(row["path"]).exists()


def _changed(path: Path) -> float:
    """The file's time in seconds since the epoch; 0 when it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _seed(text: str) -> int:
    """A seed as another program wrote it; 0 for none, and for one that is no seed of ours."""
    return int(text) if text.isdecimal() and len(text) <= 10 and int(text) <= SEED_MAX else 0


def _loras(prompt: str) -> str:
    """The names of the prompt's LoRAs between bars, so that each can be found whole."""
    names = dict.fromkeys(name.strip().casefold() for name in LORA.findall(prompt))
    return f"|{'|'.join(names)}|" if names else ""


def _set_aside(path: Path) -> None:
    number = 1
    while (kept := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    try:
        path.replace(kept)
    except OSError:
        path.unlink(missing_ok=True)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _row(picture: Picture) -> tuple[Any, ...]:
    words = f"{picture.prompt}\n{picture.negative_prompt}\n{picture.model}\n{picture.seed}".casefold()
    return (
        picture.id,
        str(picture.path),
        picture.created,
        time.strftime("%Y-%m-%d", time.localtime(picture.created)),
        picture.task,
        picture.model,
        picture.prompt,
        picture.negative_prompt,
        picture.seed,
        picture.width,
        picture.height,
        picture.media_type,
        picture.job,
        int(picture.favourite),
        picture.request.model_dump_json() if picture.request else None,
        words,
        _loras(picture.prompt),
    )


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
