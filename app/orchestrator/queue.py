"""The queue of this process: which job is next, which ones run, and whoever waits for a change of that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.events import QueueChanged
from app.jobs import Cancelled, Job, Queued
from app.ledger import JobLedger
from engines.api import CancelToken, UserError

TURN = 1.0  # seconds; a lane without work looks so often whether the disk has room for what is only remembered
WAIT_TURN = 0.5  # seconds; keeps Ctrl-C alive on Windows, where a wait without an end cannot be interrupted


class JobQueue:
    """Takes jobs in the ledger's order, unless it is paused. Any thread may call; see the package for what the lock guards."""

    def __init__(self, ledger: JobLedger) -> None:
        self._ledger = ledger
        self._changed = threading.Condition()
        self._closing = self._paused = self._left = False
        self._called: set[str] = set()  # jobs that run although the queue is paused: somebody pressed Go on for them
        self._tokens: dict[str, CancelToken] = {}  # of the jobs that run

    @property
    def state(self) -> QueueChanged:
        """The waiting jobs in their order, and whether the queue is paused."""
        return QueueChanged(self._paused, tuple(job.id for job in self._ledger.queued()), self._left)

    @property
    def running(self) -> tuple[str, ...]:
        """The jobs that run in this process."""
        with self._changed:
            return tuple(self._tokens)

    @property
    def closing(self) -> bool:
        """Whether the program ends."""
        return self._closing

    def token(self, job_id: str) -> CancelToken:
        """The token of a job that runs."""
        with self._changed:
            return self._tokens[job_id]

    def take(self) -> Job | None:
        """Wait for the job that is next and take it: it runs, until it is given back. None when the program ends."""
        with self._changed:
            while not self._closing:
                if (job := self._due()) is not None:
                    self._tokens[job.id] = CancelToken()
                    self._called.discard(job.id)
                    return job
                self._changed.wait(TURN)
                self._ledger.catch_up()
        return None

    def give_back(self, job_id: str) -> None:
        """The job runs no more."""
        with self._changed:
            self._tokens.pop(job_id, None)

    def call(self, job_id: str) -> None:
        """Let this job run in a paused queue too."""
        with self._changed:
            self._called.add(job_id)

    def stop(self, job_id: str) -> Job | None:
        """Stop the job: one that runs where its engine looks next, one that waits at once, which is returned then."""
        with self._changed:  # or a lane takes the job between the two looks, and it runs although it was stopped
            if (token := self._tokens.get(job_id)) is not None:
                token.cancel()
                self._changed.notify_all()
            elif isinstance(self._ledger.get(job_id).state, Queued):
                return self._ledger.keep_state(job_id, Cancelled())
        return None

    def pause(self, paused: bool) -> None:
        """Take no new job until told to go on."""
        with self._changed:
            self._paused, self._left = paused, False
            self._changed.notify_all()

    def adopt_waiting(self, paused: bool) -> tuple[Job, ...]:
        """Make what a dead program left waiting this program's own; the queue is `paused` when there was any."""
        with self._changed:
            taken = self._ledger.adopt_waiting()
            self._left = self._paused = bool(taken) and paused
        return taken

    def move(self, job_id: str, before: str = "") -> None:
        """Put a waiting job before another one, or at the end. Raises `UserError("job-not-waiting")`."""
        with self._changed:
            waiting = [job.id for job in self._ledger.queued()]
            for each in filter(None, (job_id, before)):
                if each not in waiting:
                    raise UserError("job-not-waiting", id=each)
            waiting.remove(job_id)
            waiting.insert(waiting.index(before) if before and before != job_id else len(waiting), job_id)
            self._ledger.reorder(waiting)

    def while_idle(self, action: Callable[[], None]) -> bool:
        """Do this while no job can begin; not done, and False, where one runs."""
        with self._changed:
            if self._tokens:
                return False
            action()
        return True

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def wait_for_change(self, seconds: float) -> None:
        """Until somebody is woken, or `seconds` are over."""
        with self._changed:
            self._changed.wait(seconds)

    def wait_for_end(self, job_id: str, timeout: float | None) -> Job:
        """Wait until the job is over, or for `timeout` seconds; returns it as it is then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (job := self._ledger.get(job_id)).over:
                left = WAIT_TURN if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(WAIT_TURN, left))
        return job

    def close(self) -> None:
        """Let no job begin any more, and stop those that run."""
        with self._changed:
            self._closing = True
            for token in self._tokens.values():
                token.cancel()
            self._changed.notify_all()

    def _due(self) -> Job | None:
        if not self._paused:
            return self._ledger.next_queued(tuple(self._tokens))
        called = (job for job in self._ledger.queued() if job.id in self._called)
        return next(called, None) if self._called else None
