"""What the routes work with: the services, jobs that can be waited for without holding a thread, and what runs now."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.events import Event
from app.guard import same
from app.inputs import PREFIX
from app.jobs import Job
from app.logs import keep_out
from app.resolve import Resolved, resolve
from app.services import Services
from engines.api import GenerationRequest, ModelRecord, UserError

HASH = re.compile(r"\s*\[[0-9a-fA-F]+\]\s*$")
LOOK = 1.0  # seconds between two looks at the ledger, for a change that no event told of
NEWS = 1000  # events that may wait for one listener


class Desk:
    """One for each server. `options` are the values that A1111's clients set; they last as long as the server."""

    def __init__(self, services: Services, port: int = 0) -> None:
        self.services, self.port = services, port
        self.options: dict[str, Any] = {}
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._listeners: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[Event]]]] = {}
        self._last: Event | None = None
        self.closed = asyncio.Event()
        self._forget = services.orchestrator.subscribe(self._on_event)

    def close(self) -> None:
        """Hear no more."""
        self._forget()

    @property
    def running(self) -> Event | None:
        """The last progress of the job that runs now."""
        return self._last

    def resolve(self, values: dict[str, Any], model: str | None = None, preset: str | None = None) -> Resolved:
        """The request that the values ask for, as command line and window resolve it. Raises `UserError`."""
        chosen = self.services.presets.get(preset) if preset else None
        services = self.services
        usual, path_of = services.settings.usual_values(), services.inputs.path_of
        return resolve(models=services.models, preset=chosen, model=model, values=values, usual=usual, path_of=path_of)

    def find_model(self, name: str) -> ModelRecord:
        """A model as clients name it: title, "title [hash]", file name, id or hash. Raises `UserError("model-unknown")`."""
        plain = HASH.sub("", name).strip()
        for each in (name, plain, plain.removesuffix(".safetensors")):
            try:
                return self.services.models.get(each)
            except UserError:
                continue
        short = plain.casefold()
        found = [each for each in self.services.models.all() if len(short) >= 8 and each.fingerprint.startswith(short)]
        return found[0] if found else self.services.models.get(name)

    def title_of(self, record: ModelRecord) -> str:
        """The model's title where it is the only one of that name, else its id."""
        titles = [each.title for each in self.services.models.all()]
        return record.title if titles.count(record.title) == 1 else record.id

    async def submit(self, request: GenerationRequest, record: ModelRecord) -> Job:
        """Queue the request. Raises what the orchestrator raises."""
        if any(not value.startswith(PREFIX) for value in request.inputs.values()):
            raise UserError("api-picture-broken", why="a file was named, and the API opens none by its name")
        keep_out(request.prompt, request.negative_prompt)
        return await run_in_threadpool(self.services.orchestrator.submit, request, record)

    async def finished(self, job: Job) -> Job:
        """Wait until the job is over."""
        async for _event in self.follow(job):
            pass
        return await self.job(job.id)

    async def job(self, job_id: str) -> Job:
        """The job as it is now. Raises `UserError("job-unknown")`."""
        return await run_in_threadpool(self.services.orchestrator.job, job_id)

    async def follow(self, job: Job) -> AsyncIterator[Event]:
        """The job's events from now on, until it is over. The last one has its final state."""
        queue: asyncio.Queue[Event] = asyncio.Queue(NEWS)
        with self._listening(job.id, queue):
            if (now := await self.job(job.id)).over:  # before anybody listened
                yield Event(now)
                return
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), LOOK)
                except TimeoutError:
                    event = Event(await self.job(job.id))
                    if not event.job.over:
                        continue
                yield event
                if event.job.over and event.progress is None and event.artifact is None:
                    return

    def signature(self, job: str, index: int) -> str:
        """What lets an address to a file work without the key; it holds as long as the server runs."""
        return hmac.new(self._secret, f"{job}/{index}".encode(), hashlib.sha256).hexdigest()[:32]

    def signed(self, signature: str, job: str, index: int) -> bool:
        """Whether the signature is that file's."""
        return same(signature, self.signature(job, index))

    def file_address(self, job: Job, place: int, base: str) -> str:
        """An address of the file at `place` of a job that whoever has it can open."""
        made = job.artifacts[place]
        return f"{base.rstrip('/')}/files/{self.signature(job.id, made.index)}/{job.id}/{made.index}{made.path.suffix}"

    @contextmanager
    def _listening(self, job_id: str, queue: asyncio.Queue[Event]) -> Any:
        listener = (asyncio.get_running_loop(), queue)
        with self._lock:
            self._listeners.setdefault(job_id, []).append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners[job_id].remove(listener)
                if not self._listeners[job_id]:
                    del self._listeners[job_id]

    def _on_event(self, event: Event) -> None:
        if event.progress is not None:
            self._last = event
        elif event.job.over and self._last is not None and self._last.job.id == event.job.id:
            self._last = None
        with self._lock:
            listeners = list(self._listeners.get(event.job.id, ()))
        for loop, queue in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_put, queue, event)


def file_of(job: Job, index: int) -> Path:
    """The file of a finished picture. Raises `UserError("job-file-unknown")` or `UserError("picture-gone")`."""
    found = next((each.path for each in job.artifacts if each.index == index), None)
    if found is None:
        raise UserError("job-file-unknown", id=job.id, index=index, count=len(job.artifacts))
    if not found.is_file():
        raise UserError("picture-gone", path=str(found))
    return found


def _put(queue: asyncio.Queue[Event], event: Event) -> None:
    if queue.full() and event.progress is not None:
        return  # a listener that sleeps misses steps, never an end
    try:
        queue.put_nowait(event)
    except asyncio.QueueFull:
        queue.get_nowait()
        queue.put_nowait(event)
