"""The one place where jobs run: accepted into the ledger, made one after the other, published, told about."""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app import machine
from app.addons import addon_files
from app.engine_pool import Lane
from app.events import Clock, Event, EventHub, QueueChanged
from app.inputs import InputStore
from app.jobs import Cancelled, Failed, Interrupted, Job, JobState, Queued, Running, Succeeded
from app.ledger import JobLedger
from app.logs import keep_out
from app.models import ModelStore
from app.outputs import OutputStore
from app.paths import HOME_VARIABLE
from app.places import check_output_place
from app.planning import Planner
from app.prefetch import Prefetch
from app.validate import validate
from app.weight_hashes import WeightHashes, model_weights
from app.wildcards import WildcardStore
from engines.api import (
    Artifact,
    CancelToken,
    EaselError,
    ErrorRecord,
    GenerationRequest,
    InternalError,
    ModelRecord,
    Plan,
    Progress,
    ResourceError,
    RunContext,
    Stage,
    UserError,
    family_of,
    room_in,
)
from engines.api import Cancelled as CancelledError

log = logging.getLogger(__name__)

LANE_LOST = "lane-lost"
ROOM_EVERY = 1.0  # seconds between two tries to write down that a job runs, on a full disk
# Errors after which the job can go on where it was, because it was not the wish that failed.
INTERRUPTING = {"engine-died", "program-ended", "decode-out-of-memory", LANE_LOST}
MOST_LOSSES = 3  # lanes that one job may lose; after that it is likely to be the reason
LOOK_AHEAD = 0.5  # seconds between two looks at what is next in the queue


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
        self.ledger, self._models = ledger, models
        self._lanes = (lane, *more_lanes)
        self._inputs, self._outputs, self._staging = inputs, outputs, staging
        self.save_metadata = save_metadata
        self._weights = WeightHashes(models)
        self.prefetch = Prefetch(lambda: machine.memory().available)
        self._looked_ahead = 0.0
        self._wildcards, self._planner = wildcards, planner
        self._hub: EventHub[Event] = EventHub()
        self._queue_hub: EventHub[QueueChanged] = EventHub()
        self._wake = threading.Condition()
        self._closing = self._paused = self._left = False
        self._called: set[str] = set()  # jobs that run although the queue is paused: somebody pressed Go on for them
        self._tokens: dict[str, CancelToken] = {}
        self._losses: Counter[str] = Counter()  # by job
        self._serving: list[threading.Thread] = []
        self.interrupted = ledger.close_orphans()  # what ran when another program ended, as it is now

    def submit(self, request: GenerationRequest, record: ModelRecord, out: Path | None = None) -> Job:
        """Check the request, keep its pictures, write the job down and queue it.

        Raises `UserError` or `ResourceError` with a way out; nothing is queued then.
        """
        validate(request, family_of(record), self._inputs.path_of)
        size = self._planner.file_size(request) if self._planner is not None else None
        check_output_place(out or self._outputs.folder, request, size, self._staging)
        if self._wildcards is not None:
            request = self._wildcards.settle(request)
            keep_out(*itertools.chain(*request.texts))
        files = addon_files(request, record, self._models)
        self._plan(request, record, files)
        request = self._keep_inputs(request)
        job = self.ledger.add(request, out)
        log.info("accepted job=%s task=%s model=%s count=%d", job.id, request.task, record.id, request.count)
        return self._enqueue(job)

    def resume(self, job_id: str) -> Job:
        """Queue an interrupted (or stopped, or failed) job again; it goes on where it was.

        An interrupted one has its old place, before those that waited behind it, and runs in a paused queue too. A job
        that still waits for a program that is gone can be taken up as well.
        """
        job = self.ledger.get(job_id)
        if isinstance(job.state, Interrupted) or job.id in {each.id for each in self.ledger.left_waiting()}:
            self._called.add(job.id)
            return self._enqueue(self.ledger.adopt(job.id, at_end=False))
        if isinstance(job.state, Cancelled | Failed):
            return self._enqueue(self.ledger.adopt(job.id))
        raise UserError("job-not-resumable", id=job.id, state=type(job.state).__name__.lower())

    def cancel(self, job_id: str) -> None:
        """Stop the job: at once when it waits, at the next place where the engine looks when it runs."""
        with self._wake:  # or a lane takes the job between the two looks, and it runs although it was stopped
            token = self._tokens.get(job_id)
            waits = token is None and isinstance(self.ledger.get(job_id).state, Queued)
            if waits:
                self._kept(job_id, Cancelled())
        if token is not None:
            token.cancel()
            with self._wake:
                self._wake.notify_all()
        elif waits:
            self._tell_state(self.ledger.get(job_id))

    def pause(self, paused: bool) -> None:
        """Take no new job until told to go on; the running one is finished."""
        with self._wake:
            self._paused, self._left = paused, False
            self._wake.notify_all()
        self._tell_queue()

    def take_up_queue(self, paused: bool = True) -> tuple[Job, ...]:
        """Make what a dead program left waiting this program's own, in its order; returns those jobs.

        The queue is paused then, so that nobody who opens Easel after a crash finds it busy unasked.
        """
        with self._wake:
            taken = self.ledger.adopt_waiting()
            self._left = self._paused = bool(taken) and paused
        for job in taken:
            self._enqueue(job)
        if taken:
            log.info("queue taken up jobs=%d paused=%s", len(taken), paused)
            self._tell_queue()
        return taken

    def move(self, job_id: str, before: str = "") -> None:
        """Put a waiting job before another one, or at the end. Raises `UserError("job-not-waiting")`."""
        with self._wake:
            waiting = [job.id for job in self.ledger.queued()]
            for each in filter(None, (job_id, before)):
                if each not in waiting:
                    raise UserError("job-not-waiting", id=each)
            waiting.remove(job_id)
            waiting.insert(waiting.index(before) if before and before != job_id else len(waiting), job_id)
            self.ledger.reorder(waiting)
        self._tell_queue()

    @property
    def queue(self) -> QueueChanged:
        """The waiting jobs in their order, and whether the queue is paused."""
        return QueueChanged(self._paused, tuple(job.id for job in self.ledger.queued()), self._left)

    @property
    def busy(self) -> bool:
        """Whether a job runs in this process."""
        with self._wake:
            return bool(self._tokens)

    def warm_up(self) -> None:
        """Let the engine load its libraries while nobody waits for them."""
        self._lanes[0].warm_up()

    def unload(self) -> bool:
        """Give the model's memory back when nothing runs; whether it was done."""
        with self._wake:
            if self._tokens:
                return False
            for lane in self._lanes:
                lane.unload()
        return True

    def cancel_running(self) -> tuple[str, ...]:
        """Stop whatever runs now and return its id; what waits stays."""
        with self._wake:
            running = tuple(self._tokens)
        for job_id in running:
            self.cancel(job_id)
        return running

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return self.ledger.get(job_id)

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Hear of every change; the returned function ends it."""
        return self._hub.subscribe(subscriber)

    def subscribe_queue(self, subscriber: Callable[[QueueChanged], None]) -> Callable[[], None]:
        """Hear when the queue is paused or put in another order; the returned function ends it."""
        return self._queue_hub.subscribe(subscriber)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until the job is over, or for `timeout` seconds; returns it as it is then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._wake:
            while not (job := self.ledger.get(job_id)).over:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                # A short turn keeps Ctrl-C alive on Windows, where a wait without an end cannot be interrupted.
                self._wake.wait(min(0.5, left) if left is not None else 0.5)
        return job

    def close(self) -> None:
        """End the engine and leave the ledger in order: what runs or waits is interrupted and can go on next time."""
        with self._wake:
            self._closing = True
            for token in self._tokens.values():
                token.cancel()
            self._wake.notify_all()
        self._weights.close()
        self.prefetch.end()
        for thread in tuple(self._serving):
            thread.join(30)
        for lane in self._lanes:
            lane.close()
        self.ledger.close()

    def _enqueue(self, job: Job) -> Job:
        with self._wake:
            if not self._serving:
                threads = (threading.Thread(target=self._serve, args=(lane,), daemon=True) for lane in self._lanes)
                self._serving = list(threads)
                for thread in self._serving:
                    thread.start()
            self._wake.notify_all()
        self._hub.publish(Event(job))
        return job

    def _keep_inputs(self, request: GenerationRequest) -> GenerationRequest:
        kept = {name: self._inputs.keep(value, name) for name, value in request.inputs.items()}
        return request.with_inputs(kept)

    def _serve(self, lane: Lane) -> None:
        while not self._closing:
            try:
                ready = lane.ready()
            except ResourceError as error:
                return self._give_up(error)
            if ready and (job := self._next()) is not None:
                self._run(job, lane)
        return None

    def _give_up(self, error: ResourceError) -> None:
        """This lane is of no use; where it was the last one, what waits can go on another time."""
        log.warning("a lane is given up code=%s", error.code)
        with self._wake:
            self._serving.remove(threading.current_thread())
            left = () if self._serving else self.ledger.queued()
        for job in left:
            self._set(job.id, Interrupted(ErrorRecord.of(error)))

    def _next(self) -> Job | None:
        with self._wake:
            while not self._closing:
                if (job := self._due()) is not None:
                    self._tokens[job.id] = CancelToken()
                    self._called.discard(job.id)
                    return job
                self._wake.wait(1.0)
                self.ledger.catch_up()
        return None

    def _due(self) -> Job | None:
        if not self._paused:
            return self.ledger.next_queued(tuple(self._tokens))
        called = (job for job in self.ledger.queued() if job.id in self._called)
        return next(called, None) if self._called else None

    def _run(self, job: Job, lane: Lane) -> None:
        self._set(job.id, Running(time.time()))
        self._wait_for_room(job.id)
        state = self._outcome(job, lane)
        if isinstance(state, Succeeded):
            shutil.rmtree(self._staging / job.id, ignore_errors=True)
            self._outputs.sweep(job)
        with self._wake:
            self._tokens.pop(job.id, None)
        self._set(job.id, state)
        if isinstance(state, Interrupted) and not self._closing:
            self._warm_up_again(lane)

    @staticmethod
    def _warm_up_again(lane: Lane) -> None:
        """The next engine imports its libraries while the person reads why this one died."""
        try:
            lane.warm_up()
        except (EaselError, OSError):  # no memory for a new process, say; the next job tries again and says why
            log.warning("no engine could be made ready", exc_info=True)

    def _outcome(self, job: Job, lane: Lane) -> JobState:
        try:
            self._tokens[job.id].check()  # stopped while it waited for room on the disk
            record = self._models.get(job.request.model)
            record = replace(record, hashes=self._weights.of(record, job.request))
            ctx = self._context(job, record)
            if job.request.needs_model:
                self.prefetch.used(model_weights(record).values())
            result = lane.run(record, job.request, ctx)
            if self._planner is not None and ctx.plan is not None:
                self._planner.learn(job.request, record, ctx.plan, result, self._bytes_of(job.id))
            return Succeeded(result.seconds, result.peak_memory)
        except CancelledError:
            # Whoever closes the window did not press Stop: the job can go on when Easel is opened again.
            ended = ErrorRecord.of(ResourceError("program-ended"))
            return Interrupted(ended) if self._closing else Cancelled()
        except EaselError as error:
            log.warning("job=%s failed code=%s", job.id, error.code, exc_info=True)
            if error.code == LANE_LOST and self._tokens[job.id].cancelled and not self._closing:
                return Cancelled()  # nobody wants it done elsewhere
            self._losses[job.id] += error.code == LANE_LOST
            if error.code == LANE_LOST and self._losses[job.id] < MOST_LOSSES and not self._closing:
                return Queued()  # nothing is wrong with the job: another lane takes it up where it was
            record = ErrorRecord.of(error)
            return Interrupted(record) if error.code in INTERRUPTING else Failed(record)
        except Exception as error:  # the lane outlives any bug: the next job must run
            log.exception("job=%s failed", job.id)
            return Failed(ErrorRecord.of(InternalError("internal", what=f"{type(error).__name__}: {error}")))

    def _bytes_of(self, job_id: str) -> int:
        return sum(path.stat().st_size for path in self.ledger.get(job_id).files if path.is_file())

    def _context(self, job: Job, record: ModelRecord) -> RunContext:
        staging = self._staging_of(job)
        request = job.request
        inputs = {name: self._inputs.path_of(value) for name, value in request.inputs.items()}
        clock = Clock()
        files = addon_files(request, record, self._models)
        plan = self._plan(request, record, files)
        return RunContext(
            staging=staging,
            inputs=inputs,
            files=files,
            token=self._tokens[job.id],
            on_progress=lambda progress: self._progress(job, progress, clock, plan),
            on_artifact=lambda artifact: self._publish(job, artifact),
            first_image=len(job.artifacts),
            with_metadata=self.save_metadata,
            plan=plan,
        )

    def _staging_of(self, job: Job) -> Path:
        """The folder that the job is made in. Raises `ResourceError("no-room-while-made")` and `UserError`."""
        staging = self._staging / job.id
        try:
            with room_in(staging):
                staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise UserError("folder-unwritable", folder=str(staging), why=why, variable=HOME_VARIABLE) from error
        return staging

    def _plan(self, request: GenerationRequest, record: ModelRecord, files: Mapping[str, Path]) -> Plan | None:
        """How the model is to be held. Raises `ResourceError("memory-too-small")` before anything is loaded."""
        if self._planner is None or not request.needs_model:
            return None
        return self._planner.check(request, record, files)

    def _read_ahead(self, job: Job, plan: Plan | None) -> None:
        """While a job draws: the files of the next one's model, where that is another and there is room."""
        if time.monotonic() - self._looked_ahead < LOOK_AHEAD:
            return
        self._looked_ahead = time.monotonic()
        following = self.ledger.next_queued()
        if following is None or following.request.model == job.request.model or not following.request.needs_model:
            return
        with contextlib.suppress(UserError):  # the model is gone: its own job will say so
            files = model_weights(self._models.get(following.request.model)).values()
            self.prefetch.begin(
                files, max(0, plan.peak - sum(lane.held_memory for lane in self._lanes)) if plan is not None else 0
            )

    def _progress(self, job: Job, progress: Progress, clock: Clock, plan: Plan | None) -> None:
        if progress.stage is Stage.DENOISE:  # its own files are read by then
            self._read_ahead(job, plan)
        self._hub.publish(Event(job, progress, clock.seconds_left(progress)))

    def _publish(self, job: Job, artifact: Artifact) -> None:
        published = self._outputs.publish(job, artifact)
        job = self.ledger.add_artifact(job.id, published)
        self._outputs.settle(job, artifact)
        self._hub.publish(Event(job, artifact=published))

    def _tell_queue(self) -> None:
        self._queue_hub.publish(self.queue)

    def _set(self, job_id: str, state: JobState) -> None:
        self._tell_state(self._kept(job_id, state))

    def _kept(self, job_id: str, state: JobState) -> Job:
        """Write down what became of the job. A full disk delays the writing, and nobody's Stop and no other job."""
        try:
            return self.ledger.set_state(job_id, state)
        except ResourceError:
            log.warning("job=%s state=%s has no room on the disk", job_id, type(state).__name__.lower())
            return self.ledger.remember(job_id, state)

    def _wait_for_room(self, job_id: str) -> None:
        """A job begins when that can be written down; Stop and closing end the wait."""
        while self.ledger.behind and not self._tokens[job_id].cancelled:
            with self._wake:
                self._wake.wait(ROOM_EVERY)
            self.ledger.catch_up()

    def _tell_state(self, job: Job) -> None:
        with self._wake:
            self._wake.notify_all()
        log.info("job=%s state=%s", job.id, type(job.state).__name__.lower())
        self._hub.publish(Event(job))
