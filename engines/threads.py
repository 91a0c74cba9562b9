"""Sums split among another number of threads end in other last bits, so a job keeps the number that it began with.

The number lies in the job's staging folder until the job is done: the pictures that a killed job has still to begin need it as
much as the one whose checkpoint is there.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

NOTE = "threads"
MOST = 1024


def threads_of(staging: Path, usual: int) -> int:
    """The number that the job in `staging` began with; for a new job it is `usual`, and noted there."""
    note = staging / NOTE
    try:
        begun = int(note.read_text(encoding="ascii"))
        return begun if 0 < begun <= MOST else usual
    except FileNotFoundError:
        with suppress(OSError):  # no room: the job itself will say so
            note.write_text(str(usual), encoding="ascii")
    except (OSError, ValueError):
        log.warning("the number of threads of a job cannot be read", exc_info=True)
    return usual


def forget_threads(staging: Path) -> None:
    """The job is done."""
    with suppress(OSError):
        (staging / NOTE).unlink(missing_ok=True)
