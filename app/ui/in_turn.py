"""Handlers of the page that change a draft: they come one after the other, and their events travel quietly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Protocol, TypeVar

R = TypeVar("R")

QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "trigger_mode": "always_last",
}


class _Form(Protocol):
    @property
    def changing(self) -> AbstractContextManager[object]:
        """Whoever changes the draft holds this."""
        ...


def in_turn(handler: Callable[..., R]) -> Callable[..., R]:
    """Handlers of one form come one after the other: each reads the draft, changes it and puts it back."""

    @wraps(handler)
    def alone(form: _Form, *arguments: Any, **named: Any) -> R:
        with form.changing:
            return handler(form, *arguments, **named)

    return alone
