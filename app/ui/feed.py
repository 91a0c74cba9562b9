"""News for open pages, pushed as server-sent events: a page that comes late is told everything that goes on."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.download import DownloadNews
from app.events import Event, QueueChanged
from app.jobs import Job, Queued, Running
from app.services import Services
from app.ui.model_views import download_view
from app.ui.views import job_view, progress_view
from app.ui.words import Words

RECENT = 60  # jobs of this session that a page shows
HEARTBEAT = 15.0  # seconds; tells a dead connection from a quiet one
SLOW_PAGE = 500  # messages that may wait for a page that does not read; then it has to connect anew


class Feed:
    """Listens to the orchestrator and passes everything on to however many pages there are."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self.words = services, words
        self._since = time.time()
        self._last: dict[str, Event] = {}
        self._previews: dict[str, Path] = {}
        self._pages: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._forget = (
            services.orchestrator.subscribe(self._on_event),
            services.orchestrator.subscribe_queue(self._on_queue),
            services.downloads.subscribe(self._on_download),
        )

    def preview(self, job_id: str) -> Path | None:
        """The newest preview file of a running job."""
        return self._previews.get(job_id)

    def snapshot(self) -> dict[str, Any]:
        """Everything that a page shows of jobs: those of this session, and those that can still go on."""
        ledger = self._services.orchestrator.ledger
        latest = {job.id: job for job in (*ledger.latest(RECENT), *ledger.queued())}.values()
        found = [job for job in latest if job.created >= self._since or not job.over or self._unfinished(job)]
        shown = sorted(found, key=lambda job: job.created, reverse=True)
        queue = self._services.orchestrator.queue
        downloads = [self._download_view(news) for news in self._services.downloads.all()]
        jobs = [self._view(job) for job in reversed(shown)]
        return {"jobs": jobs, "paused": queue.paused, "order": queue.order, "left": queue.left, "downloads": downloads}

    async def stream(self) -> AsyncIterator[str]:
        """Server-sent events, the snapshot first, until the page is gone or the server closes."""
        queue: asyncio.Queue[str] = asyncio.Queue(SLOW_PAGE)
        with self._lock:
            self._pages[queue] = asyncio.get_running_loop()
        try:
            yield _event("snapshot", self.snapshot())
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    message = ": still here\n\n"
                if not message:
                    return
                yield message
        finally:
            with self._lock:
                self._pages.pop(queue, None)

    def close(self) -> None:
        """End all streams."""
        for forget in self._forget:
            forget()
        self._send("")

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    def tell(self, name: str, data: object) -> None:
        """Send something to every page."""
        self._send(_event(name, data))

    def _unfinished(self, job: Job) -> bool:
        return not isinstance(job.state, Queued | Running) and job_is_resumable(job)

    def _view(self, job: Job) -> dict[str, Any]:
        titles = {record.id: record.title for record in self._services.models.all()}
        model = titles.get(job.request.model, job.request.model)
        return job_view(job, self._last.get(job.id), self.words, self._services.outputs.folder, model)

    def _on_event(self, event: Event) -> None:
        job = event.job
        if event.progress is None:
            if job.over:
                self._last.pop(job.id, None)
                self._previews.pop(job.id, None)
            self.tell("job", self._view(job))
            return
        if event.progress.preview is not None:
            self._previews[job.id] = event.progress.preview
        elif (before := self._last.get(job.id)) is not None and before.progress is not None:
            event = _with_preview_of(event, before)
        self._last[job.id] = event
        running = job if isinstance(job.state, Running) else replace(job, state=Running(time.time()))
        self.tell("progress", {"id": job.id, **(progress_view(running, event, self.words) or {})})

    def _download_view(self, news: DownloadNews) -> dict[str, Any]:
        return download_view(news, self.words, self._services.models)

    def _on_download(self, news: DownloadNews) -> None:
        self.tell("download", self._download_view(news))

    def _on_queue(self, changed: QueueChanged) -> None:
        self.tell("queue", {"paused": changed.paused, "order": changed.order, "left": changed.left})

    def _send(self, message: str) -> None:
        with self._lock:
            pages = list(self._pages.items())
        for queue, loop in pages:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_put, queue, message)


def job_is_resumable(job: Job) -> bool:
    """Whether the job was broken off through no wish of anybody's, and recently enough to be remembered."""
    from app.jobs import Interrupted

    return isinstance(job.state, Interrupted) and time.time() - job.created < 7 * 86_400


def _with_preview_of(event: Event, before: Event) -> Event:
    """Between two previews the last one stays on the screen."""
    assert event.progress is not None and before.progress is not None
    if event.progress.image != before.progress.image:
        return event
    return replace(event, progress=replace(event.progress, preview=before.progress.preview))


def _put(queue: asyncio.Queue[str], message: str) -> None:
    try:
        queue.put_nowait(message)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait("")


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
