"""The window's own dialogs for files and folders, for the page to ask for. In a browser there are none, and paths are written."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Pick(StrEnum):
    """What a person is asked to choose."""

    MODEL = "model"  # a model file
    FOLDER = "folder"


Ask = Callable[[Pick], str]  # what was chosen, or "" when the person thought better of it; waits as long as that takes


class Dialogs:
    """Empty until a window provides its dialogs."""

    def __init__(self) -> None:
        self._ask: Ask | None = None

    def provide(self, ask: Ask) -> None:
        """The window is there: let the page ask for its dialogs."""
        self._ask = ask

    @property
    def available(self) -> bool:
        """Whether there is a window to ask."""
        return self._ask is not None

    def ask(self, what: Pick) -> str:
        """The path that the person chose; empty when there is no window or nothing was chosen."""
        return self._ask(what) if self._ask is not None else ""
