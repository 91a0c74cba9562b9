"""The error tree of Easel.

    EaselError
    ├── UserError        exit 2    the wish cannot be met as it was said
    ├── ResourceError    exit 3    memory, disk, device, a dead engine
    ├── NetworkError     exit 4    a download or a server
    ├── Cancelled        exit 130  somebody pressed Stop
    └── InternalError    exit 1    a bug in Easel

An error carries a code and numbers, never a ready sentence: the words live in `resources/messages/<language>/`, so
that the window, the command line and the HTTP API say the same thing and a translation is one more folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from engines import messages


class EaselError(Exception):
    """An error that a person can meet: `code` names its entry in the message catalogue, `params` fill it in."""

    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params

    @property
    def message(self) -> messages.Message:
        """Title, cause and ways out, with the numbers filled in."""
        return messages.render(self.code, self.params)

    def __str__(self) -> str:
        return f"{self.message.title} {self.message.cause}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their positional arguments; ours has keyword ones, and it crosses a process border.
        return _rebuild, (type(self), self.code, self.params)


class UserError(EaselError):
    """The wish cannot be met as it was said; the message says what can."""

    exit_status = 2


class ResourceError(EaselError):
    """The machine could not do it: memory, disk, device, or an engine that died."""

    exit_status = 3


class NetworkError(EaselError):
    """A download or a server failed."""

    exit_status = 4


class Cancelled(EaselError):
    """Stop was pressed; not a failure."""

    exit_status = 130

    def __init__(self, code: str = "cancelled", **params: Any) -> None:
        super().__init__(code, **params)


class InternalError(EaselError):
    """A bug in Easel: the debug report helps to find it."""


def _rebuild(kind: type[EaselError], code: str, params: dict[str, Any]) -> EaselError:
    return kind(code, **params)


@dataclass(frozen=True)
class ErrorRecord:
    """An error as it is kept in the ledger and shown by faces; JSON-able, unlike an exception."""

    code: str
    exit_status: int
    title: str
    cause: str
    fixes: tuple[str, ...]
    details: str = ""

    @classmethod
    def of(cls, error: EaselError, details: str = "") -> ErrorRecord:
        """The record of `error`; `details` is for the log and the clipboard, a traceback for instance."""
        message = error.message
        return cls(error.code, error.exit_status, message.title, message.cause, message.fixes, details)
