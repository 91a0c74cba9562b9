"""What is behind the window: services and server, started in the background and ended in order."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from app.api_switch import Wanted
from app.bootstrap import build_services
from app.desktop.options import Options
from app.paths import Paths
from app.services import Services
from engines.api import EaselError

log = logging.getLogger(__name__)

EVERYWHERE, HERE = "0.0.0.0", "127.0.0.1"


class Running:
    """The product between `start` and `stop`."""

    def __init__(self, paths: Paths, options: Options) -> None:
        self._paths, self._options = paths, options
        self._services: Services | None = None
        self._server = None
        self._lock = threading.Lock()
        self._stopped = False

    def start(self) -> str:
        """Start everything and return the address for a window. Raises `EaselError`."""
        from app.ui.server import Server

        with self._lock:
            if self._stopped:
                return ""
            options = self._options
            self._services = build_services(self._paths, more_models=options.model_folders)
            self._services.orchestrator.take_up_queue()
            host = EVERYWHERE if options.listen else HERE
            password = options.password if options.listen else None
            self._server = Server(self._services, options.port, host, password, options.theme)
            self._server.start()
            self._serve_api(self._services)
            self._services.keeper.start()
        self._tidy_up(self._services)
        return self.new_url()

    def new_url(self) -> str:
        """An address that lets one more window in."""
        assert self._server is not None, "start comes first"
        return self._server.access.new_url()

    @property
    def services(self) -> Services:
        """The services, once they are there."""
        assert self._services is not None, "start comes first"
        return self._services

    @property
    def only_here(self) -> bool:
        """Whether nobody but this computer can open the page."""
        return not self._options.listen

    @property
    def ready(self) -> bool:
        """Whether the page is served."""
        return self._server is not None and not self._stopped

    def stop(self) -> None:
        """End server, jobs and worker; safe to call twice, or in the middle of a start."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            if self._server is not None:
                self._server.stop()
            if self._services is not None:
                self._services.close()

    def _serve_api(self, services: Services) -> None:
        """Let the API be as the settings and the command line say; a window without it is better than no window.

        The page says what was wrong.
        """
        listen = self._options.listen
        services.api.provide(lambda wanted: _served(services, wanted, listen), self._with_command_line)
        try:
            services.api.follow(Wanted.of(services.settings))
        except EaselError as error:
            log.warning("the API is not served: %s", error)

    def _with_command_line(self, wanted: Wanted) -> Wanted:
        """The settings' wish, with the command line's words before it."""
        asked = self._options
        return Wanted(
            on=wanted.on or asked.api,
            port=asked.api_port or wanted.port,
            key=asked.api_key or wanted.key,
            origins=(*wanted.origins, *asked.api_origins),
            mcp=wanted.mcp or asked.mcp,
        )

    def _tidy_up(self, services: Services) -> None:
        """List the pictures again when the history's index is gone, while nobody waits for it."""
        if not services.history.missing:
            return

        def check() -> None:
            if self._stopped:
                raise InterruptedError

        def rebuild() -> None:
            with contextlib.suppress(InterruptedError):
                log.info("history rebuilt pictures=%d", services.history.rebuild(check))

        threading.Thread(target=rebuild, name="history", daemon=True).start()


def _served(services: Services, wanted: Wanted, listen: bool) -> tuple[str, Callable[[], None]]:
    """Start the API's server. Other computers need its key."""
    from app.http.server import ApiServer

    listen, origins = listen and bool(wanted.key), wanted.origins
    server = ApiServer(services, wanted.port, key=wanted.key, origins=origins, listen=listen, mcp=wanted.mcp)
    server.start()
    log.info("API address=%s", server.address)
    return server.address, server.stop
