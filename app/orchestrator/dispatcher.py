"""The dispatcher: one thread a lane, which takes the next job whenever its lane is ready."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.engine_pool import Lane
from app.jobs import Job
from app.orchestrator.queue import JobQueue
from engines.api import ResourceError

log = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds that the end of the program waits for a lane's job to stop


class Dispatcher:
    """Lets each job run on the first lane that is free. The threads begin with the first job."""

    def __init__(
        self,
        lanes: tuple[Lane, ...],
        queue: JobQueue,
        run: Callable[[Job, Lane], None],
        on_last_lost: Callable[[ResourceError], None],
    ) -> None:
        """`run` drives a job to its end; `on_last_lost` is called when no lane is of use any more."""
        self.lanes = lanes
        self._queue, self._run, self._on_last_lost = queue, run, on_last_lost
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def held_memory(self) -> int:
        """Bytes of this computer's memory that the lanes' engines hold."""
        return sum(lane.held_memory for lane in self.lanes)

    def start(self) -> None:
        """Serve the lanes, where no thread does so already."""
        with self._lock:
            if not self._threads:
                self._threads = [threading.Thread(target=self._serve, args=(each,), daemon=True) for each in self.lanes]
                for thread in self._threads:
                    thread.start()

    def unload(self) -> None:
        """Give the engines' memory back; nothing may be running."""
        for lane in self.lanes:
            lane.unload()

    def close(self) -> None:
        """Wait for the threads, which end with the queue, and end the engines."""
        for thread in tuple(self._threads):
            thread.join(PATIENCE)
        for lane in self.lanes:
            lane.close()

    def _serve(self, lane: Lane) -> None:
        while not self._queue.closing:
            try:
                ready = lane.ready()
            except ResourceError as error:
                return self._give_up(error)
            if ready and (job := self._queue.take()) is not None:
                self._run(job, lane)
        return None

    def _give_up(self, error: ResourceError) -> None:
        """This lane is of no use."""
        log.warning("a lane is given up code=%s", error.code)
        with self._lock:
            self._threads.remove(threading.current_thread())
            last = not self._threads
        if last:
            self._on_last_lost(error)
