"""The stars: the one thing about a picture that no file says."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from app.files import set_aside, write_atomic

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1


class Favourites:
    """Names of pictures with a star, in a small file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._names = self._load()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def set(self, name: str, favourite: bool) -> None:
        """Give or take a star. Raises `OSError` when the file cannot be written; all is then as before."""
        with self._lock:
            names = self._names | {name} if favourite else self._names - {name}
            self._save(names)
            self._names = names

    def forget(self, name: str) -> None:
        """The picture is in the trash: a later one may get its name, and must not get its star."""
        with self._lock:
            if name not in self._names:
                return
            self._names -= {name}
            try:
                self._save(self._names)
            except OSError:  # the picture is gone already: that is no failure
                log.warning("the favourites cannot be written", exc_info=True)

    def _save(self, names: frozenset[str]) -> None:
        content = {"schema_version": SCHEMA_VERSION, "favourites": sorted(names)}
        write_atomic(self._path, json.dumps(content, ensure_ascii=False, indent=1).encode())

    def _load(self) -> frozenset[str]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return frozenset(str(name) for name in data["favourites"])
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.warning("the favourites cannot be read", exc_info=True)
            set_aside(self._path)
            return frozenset()
