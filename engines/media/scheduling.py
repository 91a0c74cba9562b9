"""Threads of an encoder run like all others."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def usual_scheduling() -> Iterator[None]:
    """Undo what an encoder does to the process's threads while it opens.

    SVT-AV1 puts the thread that opens it, and with it all of its own, under real-time scheduling of the highest priority
    where the system lets it, which is so for root, in a container for instance. The thread stays so when the encoder is
    closed, every process that it starts inherits it, and two of these at work leave nothing of a small machine for others.
    """
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getscheduler(0)
    try:
        yield
    finally:
        if before != os.SCHED_FIFO:
            for task in Path("/proc/self/task").iterdir():
                with contextlib.suppress(OSError):  # the thread may be gone
                    if os.sched_getscheduler(int(task.name)) == os.SCHED_FIFO:
                        os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))
