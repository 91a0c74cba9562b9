"""Boards: pictures that a person put together under a name. A small file of their own, because no picture says it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from app.files import write_atomic
from engines.api import UserError

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
NAME_MOST = 80  # characters
BOARDS_MOST = 500


class BoardStore:
    """Board names and the pictures on each, by the names that the history gives files. Safe from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._boards = self._load()

    def all(self) -> dict[str, int]:
        """The boards by name, with the number of pictures on each."""
        with self._lock:
            return {name: len(self._boards[name]) for name in sorted(self._boards, key=str.casefold)}

    def on(self, board: str) -> tuple[str, ...]:
        """The pictures of a board, in the order in which they came. Raises `UserError("board-unknown")`."""
        with self._lock:
            return tuple(self._of(board))

    def add(self, board: str, pictures: Iterable[str]) -> int:
        """Put pictures on a board, which is made if need be; returns how many are new there."""
        name = " ".join(board.split())
        if not name or len(name) > NAME_MOST:
            raise UserError("board-name", name=name, most=NAME_MOST)
        with self._lock:
            if name not in self._boards and len(self._boards) >= BOARDS_MOST:
                raise UserError("board-too-many", most=BOARDS_MOST)
            before = self._boards.get(name, [])
            self._put(name, list(dict.fromkeys([*before, *pictures])))
            return len(self._boards[name]) - len(before)

    def remove(self, board: str, pictures: Iterable[str]) -> None:
        """Take pictures off a board; the files stay where they are."""
        gone = set(pictures)
        with self._lock:
            self._put(board, [each for each in self._of(board) if each not in gone])

    def forget(self, picture: str) -> None:
        """Take a picture off all boards: its file is gone."""
        with self._lock:
            for name in [name for name, found in self._boards.items() if picture in found]:
                self._put(name, [each for each in self._boards[name] if each != picture])

    def delete(self, board: str) -> None:
        """Forget a board; its pictures stay in the history."""
        with self._lock:
            self._of(board)
            kept = {name: found for name, found in self._boards.items() if name != board}
            self._save(kept)
            self._boards = kept

    def _of(self, board: str) -> list[str]:
        if board not in self._boards:
            raise UserError("board-unknown", name=board, known=", ".join(sorted(self._boards)) or "none")
        return self._boards[board]

    def _put(self, board: str, pictures: list[str]) -> None:
        changed = {**self._boards, board: pictures}
        self._save(changed)
        self._boards = changed

    def _save(self, boards: dict[str, list[str]]) -> None:
        content = {"schema_version": SCHEMA_VERSION, "boards": boards}
        try:
            write_atomic(
                self._path, json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "surrogateescape")
            )
        except OSError as error:
            raise UserError("board-not-saved", why=error.strerror or str(error)) from error

    def _load(self) -> dict[str, list[str]]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): [str(each) for each in found] for name, found in data["boards"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.warning("the boards cannot be read", exc_info=True)
            kept = self._path.with_name(f"{self._path.name}.broken")
            self._path.replace(kept)
            return {}
