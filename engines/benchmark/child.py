"""The child's end: answers until its parent is gone. What libraries print goes to a file."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engines.errors import EaselError, InternalError
from engines.runtime import prepare_environment

QUESTIONS = frozenset({"load", "picture", "switch_back", "script", "lora_weights"})


def main(pipe: Connection, kind: str, folder: Path) -> None:
    """Serve one side."""
    log = os.open(folder / "log.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    prepare_environment()
    side = _side(kind, folder)
    while True:
        try:
            what, given = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_answer(side, what, given))


def _side(kind: str, folder: Path) -> Any:
    if kind == "plain":
        from engines.benchmark.plain_side import PlainSide

        return PlainSide(folder)
    from engines.benchmark.easel_side import EaselSide

    return EaselSide(folder)


def _answer(side: Any, what: str, given: Any) -> Any:
    assert what in QUESTIONS, what
    try:
        return getattr(side, what)(given)
    except EaselError as error:
        return error
    except Exception as error:  # the border of the process
        return InternalError("internal", what=f"{type(error).__name__}: {error}")
