"""The orchestrator: the door through which every face submits, stops and follows jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from app.engine_pool import Lane
from app.events import Event, EventHub, QueueChanged
from app.inputs import InputStore
from app.jobs import Cancelled, Failed, Interrupted, Job
from app.ledger import JobLedger
from app.models import ModelStore
from app.orchestrator.admission import Admission
from app.orchestrator.context import Contexts
from app.orchestrator.dispatcher import Dispatcher
from app.orchestrator.queue import JobQueue
from app.orchestrator.read_ahead import ReadAhead
from app.orchestrator.runner import JobRunner
from app.orchestrator.state_changes import StateChanges
from app.outputs import OutputStore
from app.planning import Planner
from app.weight_hashes import WeightHashes
from app.wildcards import WildcardStore
from engines.api import ErrorRecord, GenerationRequest, ModelRecord, ResourceError, UserError

log = logging.getLogger(__name__)


class Orchestrator:
    """Owns the queue of one device. Faces submit, cancel and subscribe; a closed face changes nothing about a job."""

    def __init__(
        self,
        ledger: JobLedger,
        lane: Lane,
        models: ModelStore,
        inputs: InputStore,
        outputs: OutputStore,
        staging: Path,
        save_metadata: bool = True,
        wildcards: WildcardStore | None = None,
        planner: Planner | None = None,
        more_lanes: Sequence[Lane] = (),
    ) -> None:
        """`more_lanes` run jobs beside `lane`: each job on the first that is free."""
        self.ledger = ledger
        self._hub: EventHub[Event] = EventHub()
        self._queue_hub: EventHub[QueueChanged] = EventHub()
        self._queue = JobQueue(ledger)
        self._states = StateChanges(ledger, self._queue, self._hub)
        self._admission = Admission(models, inputs, outputs, staging, wildcards, planner)
        self._weights = WeightHashes(models)
        read_ahead = ReadAhead(ledger, models, lambda: self.dispatcher.held_memory)
        self.prefetch = read_ahead.prefetch
        self._runner = JobRunner(
            ledger,
            self._queue,
            self._states,
            self._hub,
            Contexts(models, inputs, planner, staging),
            models,
            outputs,
            self._weights,
            read_ahead,
            planner,
        )
        self.save_metadata = save_metadata
        self.dispatcher = Dispatcher((lane, *more_lanes), self._queue, self._runner.run, self._interrupt_waiting)
        self.interrupted = ledger.close_orphans()  # what ran when another program ended, as it is now

    # What a person does to a job.

    def submit(self, request: GenerationRequest, record: ModelRecord, out: Path | None = None) -> Job:
        """Check the request, keep its pictures, write the job down and queue it.

        Raises `UserError` or `ResourceError` with a way out; nothing is queued then.
        """
        job = self.ledger.add(self._admission.admit(request, record, out), out)
        log.info("accepted job=%s task=%s model=%s count=%d", job.id, request.task, record.id, request.count)
        return self._enqueue(job)

    def resume(self, job_id: str) -> Job:
        """Queue an interrupted (or stopped, or failed) job again; it goes on where it was.

        An interrupted one has its old place, before those that waited behind it, and runs in a paused queue too. A job
        that still waits for a program that is gone can be taken up as well.
        """
        job = self.ledger.get(job_id)
        if isinstance(job.state, Interrupted) or job.id in {each.id for each in self.ledger.left_waiting()}:
            self._queue.call(job.id)
            return self._enqueue(self.ledger.adopt(job.id, at_end=False))
        if isinstance(job.state, Cancelled | Failed):
            return self._enqueue(self.ledger.adopt(job.id))
        raise UserError("job-not-resumable", id=job.id, state=type(job.state).__name__.lower())

    def cancel(self, job_id: str) -> None:
        """Stop the job: at once when it waits, at the next place where the engine looks when it runs."""
        if (stopped := self._queue.stop(job_id)) is not None:
            self._states.tell(stopped)

    def cancel_running(self) -> tuple[str, ...]:
        """Stop whatever runs now and return its id; what waits stays."""
        running = self._queue.running
        for job_id in running:
            self.cancel(job_id)
        return running

    # What a person does to the queue.

    def pause(self, paused: bool) -> None:
        """Take no new job until told to go on; the running one is finished."""
        self._queue.pause(paused)
        self._tell_queue()

    def take_up_queue(self, paused: bool = True) -> tuple[Job, ...]:
        """Make what a dead program left waiting this program's own, in its order; returns those jobs.

        The queue is paused then, so that nobody who opens Easel after a crash finds it busy unasked.
        """
        taken = self._queue.adopt_waiting(paused)
        for job in taken:
            self._enqueue(job)
        if taken:
            log.info("queue taken up jobs=%d paused=%s", len(taken), paused)
            self._tell_queue()
        return taken

    def move(self, job_id: str, before: str = "") -> None:
        """Put a waiting job before another one, or at the end. Raises `UserError("job-not-waiting")`."""
        self._queue.move(job_id, before)
        self._tell_queue()

    # What is so now, and news of it.

    @property
    def queue(self) -> QueueChanged:
        """The waiting jobs in their order, and whether the queue is paused."""
        return self._queue.state

    @property
    def busy(self) -> bool:
        """Whether a job runs in this process."""
        return bool(self._queue.running)

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return self.ledger.get(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until the job is over, or for `timeout` seconds; returns it as it is then."""
        return self._queue.wait_for_end(job_id, timeout)

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Hear of every change; the returned function ends it."""
        return self._hub.subscribe(subscriber)

    def subscribe_queue(self, subscriber: Callable[[QueueChanged], None]) -> Callable[[], None]:
        """Hear when the queue is paused or put in another order; the returned function ends it."""
        return self._queue_hub.subscribe(subscriber)

    # The engines, and the end of the program.

    @property
    def save_metadata(self) -> bool:
        """Whether files say how they were made; holds from the next job on."""
        return self._runner.with_metadata

    @save_metadata.setter
    def save_metadata(self, wanted: bool) -> None:
        self._runner.with_metadata = wanted

    def warm_up(self) -> None:
        """Let the engine load its libraries while nobody waits for them."""
        self.dispatcher.lanes[0].warm_up()

    def unload(self) -> bool:
        """Give the model's memory back when nothing runs; whether it was done."""
        return self._queue.while_idle(self.dispatcher.unload)

    def close(self) -> None:
        """End the engine and leave the ledger in order: what runs or waits is interrupted and can go on next time."""
        self._queue.close()
        self._weights.close()
        self.prefetch.end()
        self.dispatcher.close()
        self.ledger.close()

    def _enqueue(self, job: Job) -> Job:
        self.dispatcher.start()
        self._queue.wake()
        self._hub.publish(Event(job))
        return job

    def _interrupt_waiting(self, error: ResourceError) -> None:
        """There is no lane any more: what waits can go on another time."""
        for job in self.ledger.queued():
            self._states.set(job.id, Interrupted(ErrorRecord.of(error)))

    def _tell_queue(self) -> None:
        self._queue_hub.publish(self.queue)
