"""The history as everybody uses it: list, find, star, sort onto boards, trash; and make the index again from the files."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from send2trash import send2trash

from app.boards import BoardStore
from app.history.favourites import Favourites
from app.history.index import Index
from app.history.picture import (
    Picture,
    changed,
    name_of,
    output_files,
    picture_id,
    picture_of_file,
    picture_of_job,
)
from app.history.query import Query, conditions
from app.jobs import Job
from engines.api import Artifact, EaselError, UserError

log = logging.getLogger(__name__)


class HistoryStore:
    """The index of the pictures in `outputs`, and of those that jobs put elsewhere. Safe to use from several threads."""

    def __init__(self, index: Path, favourites: Path, outputs: Path) -> None:
        self.outputs = outputs
        self.folders: tuple[Path, ...] = ()  # those of other programs, whose pictures are listed where they are
        self.boards = BoardStore(favourites.with_name("boards.json"))
        self._favourites = Favourites(favourites)
        self._starring = threading.Lock()  # file and index change together
        self._index = Index(index)

    @property
    def missing(self) -> bool:
        """Whether the index was lost, broken or of another version, so that `rebuild` is needed.

        It is until a rebuild has come to its end, also when Easel was closed before.
        """
        return not self._index.complete

    def add(self, job: Job, artifact: Artifact) -> Picture:
        """List a published file."""
        picture = picture_of_job(job, artifact, self.outputs)
        self.put([picture])
        return picture

    def put(self, pictures: Iterable[Picture]) -> None:
        """List pictures, each with its star if it has one."""
        self._index.put(replace(each, favourite=self._name(each.path) in self._favourites) for each in pictures)

    def get(self, picture: str) -> Picture:
        """The picture with this id. Raises `UserError("picture-unknown")`."""
        found = self._index.find("id = ?", (picture,))
        if not found:
            raise UserError("picture-unknown", id=picture)
        return found[0]

    def lists(self, path: Path) -> bool:
        """Whether the file is among them."""
        return bool(self._index.find("id = ?", (picture_id(path, self.outputs),)))

    def search(self, query: Query) -> tuple[Picture, ...]:
        """What fits the query, newest first."""
        wanted = conditions(query)
        if query.board:
            ids = [picture_id(self.outputs / name, self.outputs) for name in self.boards.on(query.board)]
            wanted.append(("id IN (SELECT value FROM json_each(?))", json.dumps(ids)))
        where = " AND ".join(condition for condition, _value in wanted) or "TRUE"
        return self._index.find(where, [value for _condition, value in wanted], query.limit)

    def days(self) -> tuple[tuple[str, int], ...]:
        """Each day with something on it, newest first, and how much."""
        rows = self._index.rows("SELECT day, COUNT(*) AS number FROM pictures GROUP BY day ORDER BY day DESC")
        return tuple((row["day"], row["number"]) for row in rows)

    def models(self) -> tuple[str, ...]:
        """The models that something was made with."""
        rows = self._index.rows("SELECT DISTINCT model FROM pictures WHERE model != '' ORDER BY model")
        return tuple(row["model"] for row in rows)

    def loras(self) -> tuple[str, ...]:
        """The LoRAs that something was made with."""
        rows = self._index.rows("SELECT DISTINCT loras FROM pictures WHERE loras != ''")
        return tuple(sorted({name for row in rows for name in row["loras"].strip("|").split("|")}))

    def put_on_board(self, board: str, pictures: Sequence[str]) -> int:
        """Put pictures, by their ids, on a board; returns how many are new there. Raises `UserError`."""
        return self.boards.add(board, [self._name(self.get(picture).path) for picture in pictures])

    def take_off_board(self, board: str, pictures: Sequence[str]) -> None:
        """Take pictures, by their ids, off a board."""
        self.boards.remove(board, [self._name(self.get(picture).path) for picture in pictures])

    def forget(self, paths: Iterable[Path]) -> None:
        """List these files no more; nothing happens to them."""
        self._index.remove(picture_id(path, self.outputs) for path in paths)

    def set_favourite(self, picture: str, favourite: bool) -> Picture:
        """Give or take the star. Raises `UserError` for an unknown picture or a full disk."""
        found = self.get(picture)
        name, before = self._name(found.path), self._name(found.path) in self._favourites
        with self._starring:
            try:
                self._favourites.set(name, favourite)
                self._index.write("UPDATE pictures SET favourite = ? WHERE id = ?", [(int(favourite), picture)])
            except (OSError, sqlite3.OperationalError) as error:
                with contextlib.suppress(OSError):
                    self._favourites.set(name, before)
                raise UserError("favourite-not-saved", why=getattr(error, "strerror", None) or str(error)) from error
        return replace(found, favourite=favourite)

    def trash(self, picture: str) -> None:
        """Move the file to the system's trash. Raises `UserError("picture-not-trashed")`; it is then still listed."""
        found = self.get(picture)
        try:
            if found.path.exists():
                send2trash(found.path)
        except OSError as error:
            raise UserError("picture-not-trashed", path=str(found.path), why=error.strerror or str(error)) from error
        self._index.remove([picture])
        self._favourites.forget(self._name(found.path))
        with contextlib.suppress(UserError):  # the picture is in the trash already: that is no failure
            self.boards.forget(self._name(found.path))

    def rebuild(self, check: Callable[[], None] = lambda: None) -> int:
        """Make the index again from the files in the outputs folder; returns how many are listed.

        `check` is called between files and may raise to end it; what was read by then stays listed.
        """
        rows = self._listed()
        self._index.remove(row["id"] for row in rows if not Path(row["path"]).exists())
        for folder in (self.outputs, *self.folders):
            self._read_folder(folder, rows, check)
        self._index.set_complete()
        return self._index.rows("SELECT COUNT(*) AS number FROM pictures")[0]["number"]

    def read_folder(self, folder: Path, check: Callable[[], None] = lambda: None) -> int:
        """List the pictures of another program's folder where they are; returns how many. Raises `UserError`."""
        if not folder.is_dir():
            raise UserError("history-folder-missing", folder=str(folder))
        return self._read_folder(folder.absolute(), self._listed(), check)

    def leave_folder(self, folder: Path) -> int:
        """List the pictures below a folder no more; returns how many there were. The files stay as they are.

        What Easel made is listed all the same, and so is what another listed folder holds.
        """
        folder = folder.absolute()
        others = (self.outputs, *(each for each in self.folders if each != folder))
        rows = self._index.rows("SELECT id, path FROM pictures WHERE job = ''")
        below = [(row["id"], Path(row["path"])) for row in rows if Path(row["path"]).is_relative_to(folder)]
        gone = [name for name, path in below if not any(path.is_relative_to(other) for other in others)]
        self._index.remove(gone)
        return len(gone)

    def close(self) -> None:
        """Give the index's file back."""
        self._index.close()

    def _listed(self) -> list[sqlite3.Row]:
        return self._index.rows("SELECT id, path, created, job FROM pictures")

    def _read_folder(self, folder: Path, rows: Iterable[sqlite3.Row], check: Callable[[], None]) -> int:
        known, number = {row["path"]: row for row in rows}, 0
        for number, path in enumerate(output_files(folder), 1):  # noqa: B007 (the last number is what is wanted)
            check()
            self._read_again(path, known.get(str(path)))
        return number

    def _read_again(self, path: Path, row: sqlite3.Row | None) -> None:
        """List the file, unless its row is of the file's time; a file that cannot be read is not listed."""
        if row is not None and row["created"] == changed(path):
            return
        try:
            picture = picture_of_file(path, self.outputs)
            self.put([replace(picture, job=row["job"] if row is not None else "")])
        except (EaselError, OSError, UnicodeError) as error:  # UnicodeError: SQLite takes no name that is not UTF-8
            log.info("a file of the outputs folder is left out why=%s", type(error).__name__)
            if row is not None:
                self._index.remove([row["id"]])

    def _name(self, path: Path) -> str:
        return name_of(path, self.outputs)
