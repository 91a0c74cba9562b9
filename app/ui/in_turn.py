"""Handlers of the page that change a draft come one after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Protocol, TypeVar

R = TypeVar("R")


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
