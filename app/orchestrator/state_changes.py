"""Changes of a job's state: written down, and told to whoever waits or has subscribed."""

from __future__ import annotations

import logging

from app.events import Event, EventHub
from app.jobs import Job, JobState, state_name
from app.ledger import JobLedger
from app.orchestrator.queue import JobQueue

log = logging.getLogger(__name__)


class StateChanges:
    """The one way in which a job gets another state. Call it without holding a lock: subscribers are called."""

    def __init__(self, ledger: JobLedger, queue: JobQueue, hub: EventHub[Event]) -> None:
        self._ledger, self._queue, self._hub = ledger, queue, hub

    def set(self, job_id: str, state: JobState) -> None:
        """Write down what became of the job, and tell it. A full disk delays the writing alone."""
        self.tell(self._ledger.keep_state(job_id, state))

    def tell(self, job: Job) -> None:
        """Tell a change that is written down."""
        self._queue.wake()
        log.info("job=%s state=%s", job.id, state_name(job.state))
        self._hub.publish(Event(job))
