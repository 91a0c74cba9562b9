"""The parent's side: an `EngineInterface` whose engine lives in another process."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.process
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path

from engines.errors import Cancelled, InternalError, ResourceError
from engines.interface import RunContext
from engines.records import ModelRecord
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress, Stage
from engines.worker import child
from engines.worker.protocol import Cancel, Exit, Finished, Ready, Run, Warm

log = logging.getLogger(__name__)

GRACE = 5.0  # seconds between the wish to stop and the kill, when the engine does not come to a place where it looks
PATIENCE = 0.3  # seconds after which a Stop during imports and loading is not waited for: they may be inside a library for long
POLL = 0.05  # seconds; how late a Stop may be noticed here


class WorkerEngine:
    """Implements `EngineInterface`. The process starts with the first run and stays, with its model, for the next."""

    def __init__(self, log_file: Path, grace: float = GRACE) -> None:
        self._log_file, self._grace = log_file, grace
        self._record: ModelRecord | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: connection.Connection | None = None
        self._lock = threading.Lock()
        self._owed_since: float | None = None  # when a run was left whose last word is still to come

    @property
    def pid(self) -> int | None:
        """The worker's process id while it lives."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """Remember the model; the worker loads it with the run, where loading can be stopped and reported."""
        self._record = record

    def generate(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """See `EngineInterface.generate`. A dead worker raises `ResourceError("engine-died")` with the cause."""
        assert self._record is not None, "load comes before generate"
        with self._lock:
            self._collect(ctx)
            self._start()
            self._send(_run_message(self._record, request, ctx))
            try:
                finished = self._follow(ctx)
            except Exception:
                self._settle()
                raise
        return _outcome(finished)

    def warm_up(self) -> None:
        """Start the worker and let it import its libraries; nothing to do when it runs already or is at work."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self.pid is None:
                self._start()
                self._send(Warm())
        finally:
            self._lock.release()

    def unload(self) -> None:
        """End the worker: the one sure way to get all memory back."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = self._owed_since = None
        if process is None or pipe is None:
            return
        try:
            pipe.send(Exit())
        except OSError:
            log.debug("worker was gone already")
        process.join(2)
        if process.is_alive():
            process.kill()
            process.join()
        pipe.close()

    def _start(self) -> None:
        if self.pid is not None:
            return
        self.unload()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=child.main, args=(theirs, self._log_file), name="easel-engine")
        process.start()
        theirs.close()  # so that the end of the worker is the end of the pipe
        self._process, self._pipe = process, ours
        log.info("worker started pid=%s", process.pid)

    def _send(self, message: Run | Cancel | Warm) -> None:
        assert self._pipe is not None
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._death() from error

    def _settle(self) -> None:
        """After an error on this side (a full disk while publishing, say): stop the run and read what it still says.

        Otherwise the next run would take this one's last words for its own.
        """
        if self.pid is None or self._pipe is None or self._owed_since is not None:
            return
        quiet, deadline = RunContext(staging=Path()), time.monotonic() + self._grace
        self._send(Cancel())
        while time.monotonic() < deadline:
            if self._pipe.poll(POLL) and self._receive(quiet) is not None:
                return
        self.kill()

    def _collect(self, ctx: RunContext) -> None:
        """Before the next run: the last word of one that was left while its model loaded; without it the worker goes."""
        quiet = RunContext(staging=Path())
        while self._owed_since is not None and self.pid is not None:
            assert self._pipe is not None
            ctx.check_cancelled()
            if time.monotonic() - self._owed_since > self._grace:
                log.warning("worker killed why=no answer to Stop in %.1f s", self._grace)
                self.kill()
            elif self._pipe.poll(POLL):
                with suppress(
                    ResourceError
                ):  # it died of the run that was left: no matter for this one, which starts anew
                    if self._receive(quiet) is not None:
                        self._owed_since = None

    def _follow(self, ctx: RunContext) -> Finished:
        """Pass reports on until the run is finished; turn Stop into Cancel, and Cancel into a kill when it is ignored.

        Before the first step there is nothing to wait for: the job is over at once, and the worker, which keeps what it has
        imported, says its last word when it comes out of the library that it is in.
        """
        assert self._pipe is not None
        asked_at = 0.0
        loading = _Loading()
        ctx = replace(ctx, on_progress=loading.watching(ctx.on_progress))
        while True:
            if ctx.token.cancelled and not asked_at:
                asked_at = time.monotonic()
                self._send(Cancel())
            if asked_at and loading.now and time.monotonic() - asked_at > PATIENCE:
                self._owed_since = asked_at
                raise Cancelled()
            if asked_at and time.monotonic() - asked_at > self._grace:
                log.warning("worker killed why=no answer to Stop in %.1f s", self._grace)
                self.kill()
                raise Cancelled()
            if self._pipe.poll(POLL) and (finished := self._receive(ctx)) is not None:
                return finished

    def _receive(self, ctx: RunContext) -> Finished | None:
        assert self._pipe is not None
        try:
            message = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        match message:
            case Finished():
                return message
            case Progress():
                ctx.on_progress(message)
            case Artifact():
                ctx.on_artifact(message)
            case Ready():
                log.debug("worker ready pid=%d", message.pid)
            case _:
                raise InternalError("internal", what=f"the worker said {message!r}")
        return None

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self.unload()

    def _death(self) -> ResourceError:
        assert self._process is not None
        self._process.join(5)
        code = self._process.exitcode
        self.unload()
        return ResourceError("engine-died", cause=cause_of_death(code), log=self._log_file.name)


class _Loading:
    """Whether a run is still at its imports or loads its model."""

    def __init__(self) -> None:
        self.now = True

    def watching(self, tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """`tell`, seen from here."""

        def told(progress: Progress) -> None:
            self.now = progress.stage is Stage.LOAD
            tell(progress)

        return told


def cause_of_death(exit_code: int | None) -> str:
    """A sentence for an exit code: negative numbers are signals."""
    match exit_code:
        case None:
            return "it stopped answering"
        case code if code == -signal.SIGSEGV:
            return "it touched memory that is not its own (SIGSEGV): a fault in a driver or a library"
        case code if code == -signal.SIGABRT:
            return "a library gave up (SIGABRT)"
        case code if hasattr(signal, "SIGKILL") and code == -signal.SIGKILL:
            return "the system killed it (SIGKILL), most often because memory ran out"
        case code if code == -signal.SIGTERM:
            return "somebody ended it (SIGTERM)"
        case code if code < 0:
            return f"it was ended by signal {-code}"
        case code:
            return f"it left with exit code {code}"


def _run_message(record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> Run:
    return Run(
        record,
        request,
        ctx.staging,
        dict(ctx.inputs),
        ctx.first_image,
        ctx.checkpoint_every,
        ctx.preview_every,
        ctx.with_metadata,
        dict(ctx.files),
        ctx.plan,
    )


def _outcome(finished: Finished) -> GenerationResult:
    if finished.error is not None:
        if finished.details:
            log.info("worker reported an error\n%s", finished.details)
        raise finished.error
    if finished.result is None:
        raise InternalError("internal", what="the worker finished without a result")
    return finished.result
