"""The server behind the page: on this computer's own address alone, behind the guard, in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time

from app import quick_gradio
from app.guard import other_hosts
from app.paths import RESOURCES, WEB
from app.services import Services
from app.ui.guard import Access, Guard
from app.ui.words import Words
from engines.api import ResourceError, UserError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
BODY_LIMIT = 100_000_000  # bytes of one message to the server; a 64-megapixel PNG of a photo has about 80 million
READY_SECONDS = 60.0
GOODBYE_SECONDS = 3.0


class Server:
    """Serves the page between `start` and `stop`. The port is bound at once, so that a second program cannot take it."""

    def __init__(
        self, services: Services, port: int = 0, host: str = LOOPBACK, password: str | None = None, theme: str = ""
    ) -> None:
        """Raises `UserError("listen-needs-password")` when others could come in without one, `ResourceError("port-taken")`."""
        if host != LOOPBACK and not password:
            raise UserError("listen-needs-password")
        self._services, self._password = services, password
        self._theme = theme or services.settings.theme
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.access = Access(LOOPBACK, self.port)
        self._thread: threading.Thread | None = None
        self._server = None
        self._feed = None
        self._guard: Guard | None = None

    def start(self) -> None:
        """Build the page and serve it; returns when it answers. Takes the seconds that Gradio's import takes."""
        started = time.monotonic()
        import uvicorn

        self._guard = self._build()
        config = uvicorn.Config(
            self._guard, log_config=None, access_log=False, timeout_graceful_shutdown=1, ws="none", lifespan="on"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() - started > READY_SECONDS:
                raise ResourceError("server-not-started", port=self.port)
            time.sleep(0.01)
        self._services.downloads.start()
        log.info("serving port=%d after=%.2f s", self.port, time.monotonic() - started)

    def stop(self) -> None:
        """End the streams, then the server."""
        if self._feed is not None:
            self._feed.close()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(GOODBYE_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        assert self._server is not None
        with contextlib.suppress(SystemExit):  # uvicorn's way to say that it could not start
            self._server.run(sockets=[self._socket])

    def _build(self) -> Guard:
        cache = self._services.paths.cache
        quick_gradio.prepare(cache / "gradio")
        begun = time.monotonic()
        import gradio as gr
        from fastapi import FastAPI
        from starlette.staticfiles import StaticFiles

        from app.ui.feed import Feed
        from app.ui.page import build_page
        from app.ui.routes import (
            Desk,
            downloads,
            drafts,
            history_folders,
            jobs,
            many,
            models,
            pictures,
            presets,
            window,
        )
        from app.ui.theme import theme

        imported = time.monotonic()
        words = Words(self._services.settings.language)
        self._feed = Feed(self._services, words)
        desk = Desk(self._services, self._feed, words)
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        for module in (downloads, drafts, history_folders, jobs, many, models, pictures, presets, window):
            app.router.routes.extend(module.routes(desk))
        app.mount("/easel/web", StaticFiles(directory=WEB))
        app.mount("/easel/icons", StaticFiles(directory=RESOURCES / "icons"))
        app = gr.mount_gradio_app(
            app,
            build_page(self._services, words),
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            allowed_paths=[str(self._services.paths.inputs)],
            favicon_path=str(RESOURCES / "icons" / "easel.png"),
            theme=theme(),
            head=_head(self._theme, words.language),
            max_file_size=BODY_LIMIT,
        )
        log.info("page built import=%.2f s build=%.2f s", imported - begun, time.monotonic() - imported)
        hosts = other_hosts(self.port) if self._password else ()
        return Guard(app, self.access, max_body=BODY_LIMIT, password=self._password, hosts=hosts)


def _head(theme: str, language: str) -> str:
    """Our style and script. The colours are chosen before the first paint, or a dark room gets a white flash."""
    # Gradio takes a theme that is not the system's from the address alone.
    forced = "" if theme == "system" else f"history.replaceState(null, '', '?__theme={theme}');"
    return (
        f"<script>document.documentElement.lang = '{language}'; {forced}</script>"
        '<link rel="stylesheet" href="/easel/web/easel.css"><script type="module" src="/easel/web/easel.js"></script>'
    )


def _bind(host: str, port: int) -> socket.socket:
    """A listening place. Raises `ResourceError("port-taken")`."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ResourceError("port-taken", port=port, host=host, why=error.strerror or str(error)) from error
    return bound
