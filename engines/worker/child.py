"""The worker's side: one thread reads the pipe, the main thread runs the engine."""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from engines.errors import EaselError, InternalError
from engines.interface import CancelToken, RunContext
from engines.runtime import prepare_environment
from engines.worker.protocol import Cancel, Exit, Finished, FromWorker, Ready, Run, ToWorker, Warm

log = logging.getLogger(__name__)

LOG_LIMIT = 1_000_000  # bytes; looked at when a worker starts, the file before it is kept


def main(pipe: Connection, log_file: Path) -> None:
    """Serve runs until the parent says `Exit` or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent turns it into Cancel
    _log_to(log_file)
    prepare_environment()
    _keep_locks_in_this_process()
    Worker(pipe).serve()
    logging.shutdown()
    # Not through the interpreter's end: taking torch apart object by object takes seconds and serves nobody.
    os._exit(0)


def _keep_locks_in_this_process() -> None:
    """tqdm would make a semaphore of the system, which outlives a killed worker and makes Python warn about it."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())


class Worker:
    """Reads the pipe in a thread, so that Cancel arrives in the middle of a step."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._send_lock = threading.Lock()
        self._runs: queue.Queue[tuple[Run, CancelToken] | Warm | None] = queue.Queue()
        self._token = CancelToken()

    def serve(self) -> None:
        """Run jobs one after the other."""
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()
        self._send(Ready(os.getpid()))
        from engines.resident import ResidentEngine  # diffusers loads with the first model, not before Ready

        engine = ResidentEngine()
        while (work := self._runs.get()) is not None:
            match work:
                case Warm():
                    engine.warm_up()
                case (run, token):
                    self._send(self._run(engine, run, token))

    def _run(self, engine: object, run: Run, token: CancelToken) -> Finished:
        ctx = RunContext(
            staging=run.staging,
            inputs=run.inputs,
            files=run.files,
            token=token,
            on_progress=self._send,
            on_artifact=self._send,
            first_image=run.first_image,
            checkpoint_every=run.checkpoint_every,
            preview_every=run.preview_every,
            with_metadata=run.with_metadata,
            plan=run.plan,
        )
        try:
            if run.request.needs_model:
                engine.load(run.record, ctx)  # pyright: ignore
            return Finished(result=engine.generate(run.request, ctx))  # pyright: ignore
        except EaselError as error:
            return Finished(error=error, details=traceback.format_exc())
        except Exception as error:  # the border of the process: a bug becomes a message, not a dead worker
            log.exception("run failed")
            what = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
            return Finished(error=InternalError("internal", what=what), details=traceback.format_exc())

    def _listen(self) -> None:
        try:
            while True:
                self._take(self._pipe.recv())
        except (EOFError, OSError):
            # The parent is gone, however it died. Nothing that runs here can be of use to anybody.
            os._exit(0)

    def _take(self, message: ToWorker) -> None:
        match message:
            case Run():
                self._token = CancelToken()
                self._runs.put((message, self._token))
            case Warm():
                self._runs.put(message)
            case Cancel():
                self._token.cancel()
            case Exit():
                self._token.cancel()
                self._runs.put(None)

    def _send(self, message: FromWorker) -> None:
        with self._send_lock:
            self._pipe.send(message)


def _log_to(log_file: Path) -> None:
    """Everything that libraries print goes to a file, at the level of the operating system: a crash writes there too.

    A disk without room loses lines, not the picture.
    """
    stream = _opened(log_file)
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    sys.stdout = sys.stderr = stream
    faulthandler.enable(stream)
    logging.basicConfig(
        stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s worker %(name)s: %(message)s"
    )


class _Forgiving(io.FileIO):
    """A log that takes what there is room for: a library that prints must not fail over it."""

    def write(self, data: object, /) -> int:
        with suppress(OSError):
            super().write(data)  # pyright: ignore
        return memoryview(data).nbytes  # pyright: ignore


def _opened(log_file: Path) -> io.TextIOWrapper:
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if log_file.exists() and log_file.stat().st_size > LOG_LIMIT:
            log_file.replace(log_file.with_name(f"{log_file.name}.1"))
        raw = _Forgiving(log_file, "a")
    except OSError:
        raw = _Forgiving(os.devnull, "a")
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)
