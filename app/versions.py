"""Versions side by side, so that an update can be undone and one that is killed changes nothing. Standard library only.

    base/
      current           a name a line: the version in use, then those before it
      versions/0.2.0/   one complete version; never changed once `current` names it

A folder that `current` does not name is an update that has not come to its end: nobody uses it, and the next one clears it
away. `current` is replaced in one step, so at any moment one whole version is in use. The installers do the same in
their own languages, because there is no Python before the first version is there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

CURRENT, FOLDER = "current", "versions"
CLONE = "clone"  # stands for the clone itself, whose versions lie in `.easel` inside it
KEPT = 2  # the version in use, and the one that a rollback goes to


class NoVersion(LookupError):
    """There is no such version, or none before the one in use."""


class Versions:
    """The versions below one folder."""

    def __init__(self, base: Path) -> None:
        self.base = base

    @property
    def names(self) -> tuple[str, ...]:
        """The version in use, then the ones before it, as far as they are still there."""
        try:
            lines = (self.base / CURRENT).read_text(encoding="utf-8").splitlines()
        except OSError:
            return ()
        return tuple(name for name in (line.strip() for line in lines) if name and self._is_there(name))

    def folder(self, name: str) -> Path:
        """Where the version lies."""
        return self.base.parent if name == CLONE else self.base / FOLDER / name

    def room(self, name: str) -> Path:
        """An empty folder for a new version, which counts from `use` on. One that is in use is never touched."""
        self._clear()
        taken, free, number = self.names, name, 1
        while free in taken:
            number += 1
            free = f"{name}-{number}"
        folder = self.folder(free)
        folder.mkdir(parents=True)
        return folder

    def use(self, name: str) -> None:
        """Let the version be the one in use, from the next start on. Raises `NoVersion`."""
        if not self._is_there(name):
            raise NoVersion(name)
        self._write([name, *(each for each in self.names if each != name)][:KEPT])

    def undo(self) -> str:
        """Go back to the version before, and return its name; another `undo` goes forward again. Raises `NoVersion`."""
        if len(self.names) < 2:
            raise NoVersion("before")
        before = self.names[1]
        self.use(before)
        return before

    def _clear(self) -> None:
        """Take away what no line of `current` names: updates that were killed, and versions of long ago."""
        kept = set(self.names)
        for folder in (self.base / FOLDER).glob("*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_there(self, name: str) -> bool:
        return Path(name).name == name and self.folder(name).is_dir()

    def _write(self, names: list[str]) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{CURRENT}-", dir=self.base)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write("".join(f"{name}\n" for name in names))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(self.base / CURRENT)


def versions_of(program: Path) -> Versions | None:
    """The versions that the program in this folder is one of; None where it was installed without versions."""
    if program.parent.name == FOLDER and (program.parent.parent / CURRENT).is_file():
        return Versions(program.parent.parent)
    inside = program / ".easel"
    return Versions(inside) if (inside / CURRENT).is_file() else None
