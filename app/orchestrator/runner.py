"""The runner: drives one job from its beginning to its end, on one lane."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import replace

from app.engine_pool import Lane
from app.events import Clock, Event, EventHub
from app.jobs import Interrupted, Job, JobState, Running, Succeeded
from app.ledger import JobLedger
from app.models import ModelStore
from app.orchestrator.context import Contexts
from app.orchestrator.queue import JobQueue
from app.orchestrator.read_ahead import ReadAhead
from app.orchestrator.recovery import Recovery
from app.orchestrator.state_changes import StateChanges
from app.outputs import OutputStore
from app.planning import Planner
from app.weight_hashes import WeightHashes
from engines.api import Artifact, EaselError, ModelRecord, Plan, Progress, RunContext, Stage

log = logging.getLogger(__name__)

ROOM_EVERY = 1.0  # seconds between two tries to write down that a job runs, on a full disk


class JobRunner:
    """Runs a job that was taken from the queue: begun, made, published, ended. One lane's thread each call."""

    def __init__(
        self,
        ledger: JobLedger,
        queue: JobQueue,
        states: StateChanges,
        hub: EventHub[Event],
        contexts: Contexts,
        models: ModelStore,
        outputs: OutputStore,
        weights: WeightHashes,
        read_ahead: ReadAhead,
        planner: Planner | None,
    ) -> None:
        self._ledger, self._queue, self._states, self._hub = ledger, queue, states, hub
        self._contexts, self._models, self._outputs, self._weights = contexts, models, outputs, weights
        self._read_ahead, self._planner = read_ahead, planner
        self._recovery = Recovery()
        self.with_metadata = True  # whether the files say how they were made

    def run(self, job: Job, lane: Lane) -> None:
        """Run the job to its end and give it back to the queue. No error of the job's gets out."""
        self._states.set(job.id, Running(time.time()))
        self._wait_for_room(job.id)
        state = self._made(job, lane)
        if isinstance(state, Succeeded):
            shutil.rmtree(self._contexts.folder(job.id), ignore_errors=True)
            self._outputs.sweep(job)
        self._queue.give_back(job.id)
        self._states.set(job.id, state)
        if isinstance(state, Interrupted) and not self._queue.closing:
            _warm_up_again(lane)

    def _wait_for_room(self, job_id: str) -> None:
        """A job begins when that can be written down; Stop and closing end the wait."""
        token = self._queue.token(job_id)
        while self._ledger.behind and not token.cancelled:
            self._queue.wait_for_change(ROOM_EVERY)
            self._ledger.catch_up()

    def _made(self, job: Job, lane: Lane) -> JobState:
        """The state in which the job ends, whatever happens: the lane outlives any bug, the next job must run."""
        token = self._queue.token(job.id)
        try:
            token.check()  # stopped while it waited for room on the disk
            return self._generate(job, lane)
        except Exception as error:
            return self._recovery.state_after(error, job.id, stopped=token.cancelled, closing=self._queue.closing)

    def _generate(self, job: Job, lane: Lane) -> Succeeded:
        record = self._models.get(job.request.model)
        record = replace(record, hashes=self._weights.of(record, job.request))
        ctx = self._context(job, record)
        if job.request.needs_model:
            self._read_ahead.used(record)
        result = lane.run(record, job.request, ctx)
        if self._planner is not None and ctx.plan is not None:
            self._planner.learn(job.request, record, ctx.plan, result, self._bytes_of(job.id))
        return Succeeded(result.seconds, result.peak_memory)

    def _context(self, job: Job, record: ModelRecord) -> RunContext:
        clock = Clock()
        return self._contexts.of(
            job,
            record,
            self._queue.token(job.id),
            self.with_metadata,
            on_progress=lambda progress, plan: self._progress(job, progress, clock, plan),
            on_artifact=lambda artifact: self._publish(job, artifact),
        )

    def _progress(self, job: Job, progress: Progress, clock: Clock, plan: Plan | None) -> None:
        if progress.stage is Stage.DENOISE:  # its own files are read by then
            self._read_ahead.look(job, plan)
        self._hub.publish(Event(job, progress, clock.seconds_left(progress)))

    def _publish(self, job: Job, artifact: Artifact) -> None:
        published = self._outputs.publish(job, artifact)
        job = self._ledger.add_artifact(job.id, published)
        self._outputs.settle(job, artifact)
        self._hub.publish(Event(job, artifact=published))

    def _bytes_of(self, job_id: str) -> int:
        return sum(path.stat().st_size for path in self._ledger.get(job_id).files if path.is_file())


def _warm_up_again(lane: Lane) -> None:
    """The next engine imports its libraries while the person reads why this one died."""
    try:
        lane.warm_up()
    except (EaselError, OSError):  # no memory for a new process, say; the next job tries again and says why
        log.warning("no engine could be made ready", exc_info=True)
