"""Recovery: what becomes of a job whose engine raised an error, and whether it can go on where it was."""

from __future__ import annotations

import logging
from collections import Counter

from app.jobs import Cancelled, Failed, Interrupted, JobState, Queued
from engines.api import Cancelled as CancelledError
from engines.api import EaselError, ErrorRecord, InternalError, ResourceError

log = logging.getLogger(__name__)

LANE_LOST = "lane-lost"
# Errors after which the job can go on where it was, because it was not the wish that failed.
INTERRUPTING = {"engine-died", "program-ended", "decode-out-of-memory", LANE_LOST}
MOST_LOSSES = 3  # lanes that one job may lose; after that it is likely to be the reason


class Recovery:
    """Remembers how many lanes each job has lost. A job runs in one thread at a time, so its count needs no lock."""

    def __init__(self) -> None:
        self._losses: Counter[str] = Counter()  # by job

    def state_after(self, error: Exception, job_id: str, *, stopped: bool, closing: bool) -> JobState:
        """The job's state after `error`; `stopped` when somebody pressed Stop, `closing` when the program ends."""
        if isinstance(error, CancelledError):
            # Whoever closes the window did not press Stop: the job can go on when Easel is opened again.
            return Interrupted(ErrorRecord.of(ResourceError("program-ended"))) if closing else Cancelled()
        if not isinstance(error, EaselError):
            log.error("job=%s failed", job_id, exc_info=error)
            return Failed(ErrorRecord.of(InternalError("internal", what=f"{type(error).__name__}: {error}")))
        log.warning("job=%s failed code=%s", job_id, error.code, exc_info=error)
        if error.code == LANE_LOST and not closing:
            if stopped:
                return Cancelled()  # nobody wants it done elsewhere
            self._losses[job_id] += 1
            if self._losses[job_id] < MOST_LOSSES:
                return Queued()  # nothing is wrong with the job: another lane takes it up where it was
        record = ErrorRecord.of(error)
        return Interrupted(record) if error.code in INTERRUPTING else Failed(record)
