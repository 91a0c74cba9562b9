"""While a job draws, the files of the next one's model are read ahead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from app import machine
from app.jobs import Job
from app.ledger import JobLedger
from app.models import ModelStore
from app.prefetch import Prefetch
from app.weight_hashes import model_weights
from engines.api import ModelRecord, Plan, UserError

LOOK_EVERY = 0.5  # seconds between two looks at what is next in the queue


class ReadAhead:
    """Looks at what is next and lets `prefetch` read it. `held` gives the bytes that our engines hold now."""

    def __init__(self, ledger: JobLedger, models: ModelStore, held: Callable[[], int]) -> None:
        self._ledger, self._models, self._held = ledger, models, held
        self.prefetch = Prefetch(lambda: machine.memory().available)
        self._looked = 0.0  # two lanes may look at once: `prefetch` reads one model at a time

    def used(self, record: ModelRecord) -> None:
        """A job loads this model itself."""
        self.prefetch.used(model_weights(record).values())

    def look(self, job: Job, plan: Plan | None) -> None:
        """Begin to read, where the next job's model is another one and there is room beside what `plan` takes."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        following = self._ledger.next_queued()
        if following is None or following.request.model == job.request.model or not following.request.needs_model:
            return
        with contextlib.suppress(UserError):  # the model is gone: its own job will say so
            files = model_weights(self._models.get(following.request.model)).values()
            self.prefetch.begin(files, max(0, plan.peak - self._held()) if plan is not None else 0)
