"""The server of the API: on this computer's own address, in a thread of its own, beside a window or without one."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.guard import other_hosts
from app.services import Services
from engines.api import ResourceError

if TYPE_CHECKING:
    from app.http.desk import Desk
    from app.mcp.door import Door

log = logging.getLogger(__name__)

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
PORT = 7860  # where clients of A1111 look without being told
TRIED = 10  # ports from there on, when somebody else has it
READY_SECONDS = 60.0
GOODBYE_SECONDS = 3.0


class ApiServer:
    """Serves the API between `start` and `stop`. The port is bound at once, so that nobody else can take it."""

    def __init__(
        self,
        services: Services,
        port: int = PORT,
        *,
        key: str = "",
        origins: Iterable[str] = (),
        listen: bool = False,
        exact: bool = False,
        mcp: bool = False,
    ) -> None:
        """`mcp` lets assistants in too.

        Raises `ResourceError("port-taken")`: at once with `exact`, else after a few ports more.
        """
        self._mcp = mcp
        self._services, self._key, self._origins, self._listen = services, key, tuple(origins), listen
        self._socket = _bind(EVERYWHERE if listen else LOOPBACK, port, 1 if exact or port == 0 else TRIED)
        self.port: int = self._socket.getsockname()[1]
        self._thread: threading.Thread | None = None
        self._server = None
        self._desk = None

    @property
    def address(self) -> str:
        """Where programs on this computer find it."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Serve; returns when it answers."""
        try:
            self._begin()
        except BaseException:  # whatever it is: the port is free again
            self.stop()
            raise

    def _begin(self) -> None:
        started = time.monotonic()
        import uvicorn

        from app.http.app import build_app
        from app.http.desk import Desk
        from app.http.guard import ApiGuard

        self._desk = Desk(self._services, self.port)
        door = self._door(self._desk)
        guard = ApiGuard(
            build_app(self._desk, door),
            self.port,
            key=self._key,
            origins=self._origins,
            hosts=other_hosts(self.port) if self._listen else (),
        )
        config = uvicorn.Config(
            guard, log_config=None, access_log=False, timeout_graceful_shutdown=1, ws="none", lifespan="on"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() - started > READY_SECONDS:
                raise ResourceError("server-not-started", port=self.port)
            time.sleep(0.01)
        log.info("serving the API port=%d after=%.2f s", self.port, time.monotonic() - started)

    def stop(self) -> None:
        """End it; requests that wait for a picture are broken off, their jobs are not."""
        if self._desk is not None:
            self._desk.close()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(GOODBYE_SECONDS)
        self._socket.close()

    def _door(self, desk: Desk) -> Door | None:
        if not self._mcp:
            return None
        from app.mcp.door import Door

        return Door(self._services, lambda job, place: desk.file_address(job, place, self.address), desk.finished)

    def _serve(self) -> None:
        assert self._server is not None
        with contextlib.suppress(SystemExit):  # uvicorn's way to say that it could not start
            self._server.run(sockets=[self._socket])


def _bind(host: str, port: int, tries: int) -> socket.socket:
    for number in range(port, port + tries):
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            _take(bound, host, number)
        except OSError as error:
            bound.close()
            if number == port + tries - 1:
                why = error.strerror or str(error)
                raise ResourceError("port-taken", port=number, host=host, why=why) from error
        else:
            return bound
    raise AssertionError("a port was tried")


def _take(bound: socket.socket, host: str, port: int) -> None:
    """Bind and listen. A port whose last connections have only just ended is free; one where somebody answers is not."""
    if os.name == "posix":  # on Windows the option would give one port to two programs
        if port and _answered(port):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    bound.listen()  # now, not when it serves: until then another program could take the port too


def _answered(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0
