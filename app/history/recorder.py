"""Lists each file of a job in the history as soon as it is published."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from app.events import Event
from app.history.store import HistoryStore
from app.jobs import Job
from engines.api import Artifact

log = logging.getLogger(__name__)


class Recorder:
    """Follows the events of the jobs."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history
        self._unlisted: list[tuple[Job, Artifact]] = []  # for want of room on the disk

    def on_event(self, event: Event) -> None:
        """Called with every event; a new file comes with one that has no progress. What could not be listed is tried again."""
        if event.progress is not None:
            return
        waiting = [*self._unlisted, *([(event.job, event.artifact)] if event.artifact is not None else [])]
        self._unlisted = []
        for job, artifact in waiting:
            self._list(job, artifact)

    def catch_up(self, jobs: Iterable[Job]) -> None:
        """List the files of jobs whose program ended, maybe between publishing a file and listing it."""
        for job in jobs:
            for artifact in job.artifacts:
                if artifact.path.is_file() and not self._history.lists(artifact.path):
                    self._list(job, artifact)

    def _list(self, job: Job, artifact: Artifact) -> None:
        try:
            self._history.add(job, artifact)
        except sqlite3.OperationalError:
            log.warning("the history has no room for a file of job=%s", job.id, exc_info=True)
            self._unlisted.append((job, artifact))
