"""Whether programs can use Easel over HTTP now: the shell that can serve the API says how, the faces switch and look."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.settings import Settings
from engines.api import EaselError, ResourceError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What of the settings makes another server of it."""

    on: bool
    port: int
    key: str
    origins: tuple[str, ...]
    mcp: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Wanted:
        """The settings' wish."""
        return cls(settings.api, settings.api_port, settings.api_key, tuple(settings.api_origins), settings.mcp)


Serve = Callable[[Wanted], tuple[str, Callable[[], None]]]


class ApiSwitch:
    """Starts, changes and ends the server of the API. Does nothing until somebody provides one."""

    def __init__(self) -> None:
        self.address = ""
        self.problem: EaselError | None = None  # why the last start failed
        self.served: Wanted | None = None  # what the server at the address was started with
        self._serve: Serve | None = None
        self._adjusted: Callable[[Wanted], Wanted] = lambda wanted: wanted
        self._followed: Wanted | None = None
        self._end: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def provide(self, serve: Serve, adjusted: Callable[[Wanted], Wanted] = lambda wanted: wanted) -> None:
        """`serve` starts a server and returns its address and what ends it; `adjusted` puts in what goes before settings."""
        self._serve, self._adjusted = serve, adjusted

    @property
    def possible(self) -> bool:
        """Whether there is anybody to serve it."""
        return self._serve is not None

    def follow(self, wanted: Wanted) -> None:
        """Let the server be as wanted. Raises `EaselError`; there is no server then."""
        with self._lock:
            wanted = self._adjusted(wanted)
            if self._serve is None or wanted == self._followed:
                return
            self._stop()
            if wanted.on:
                self.address, self._end = self._begun(self._serve, wanted)
                self.served = wanted
            self._followed = wanted

    def _begun(self, serve: Serve, wanted: Wanted) -> tuple[str, Callable[[], None]]:
        """The border between the server and whoever switches it: a bug in there is a sentence out here, and in the log once."""
        try:
            return serve(wanted)
        except EaselError as error:
            self.problem = error
            raise
        except Exception as error:
            log.exception("the API could not be started")
            self.problem = ResourceError("api-not-started", why=f"{type(error).__name__}: {error}")
            raise self.problem from error

    def close(self) -> None:
        """End the server."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._end is not None:
            self._end()
        self._end, self._followed, self.served, self.address, self.problem = None, None, None, "", None
