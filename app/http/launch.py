"""Start the API as a program of its own and stay until it is ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer

from app.bootstrap import build_services
from app.http.server import ApiServer
from engines.api import UserError


def run(
    port: int,
    key: str,
    origins: Sequence[str],
    listen: bool,
    more_models: Sequence[Path] = (),
    mcp: bool = False,
) -> int:
    """Serve until Ctrl-C or a kind signal; returns the exit status."""
    if listen and not key:
        raise UserError("api-key-needed")
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with build_services(more_models=more_models) as services:
        services.orchestrator.take_up_queue(paused=False)  # nobody sits here who could let it go on
        settings = services.settings
        allowed = (*settings.api_origins, *origins)
        key, mcp = key or settings.api_key, mcp or settings.mcp
        server = ApiServer(services, port, key=key, origins=allowed, listen=listen, exact=True, mcp=mcp)
        server.start()
        services.keeper.start()
        try:
            typer.echo(server.address)
            if mcp:
                typer.echo(f"Assistants find it at {server.address}/mcp.", err=True)
            typer.echo(f"The API runs until you press Ctrl-C here. {server.address}/docs explains it.", err=True)
            while not ended.wait(0.5):  # an endless wait could not be interrupted on Windows
                pass
        finally:
            server.stop()
    return 0
