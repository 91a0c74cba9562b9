"""`easel serve`: the API without a window."""

from __future__ import annotations

from typing import Annotated

import typer

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")]
Key = Annotated[
    str,
    typer.Option(
        "--key", envvar="EASEL_API_KEY", metavar="WORD", help="Programs must send this key.", show_envvar=True
    ),
]
Origins = Annotated[
    list[str] | None, typer.Option("--origin", metavar="URL", help="A web page that may use the API; repeatable.")
]
Listen = Annotated[bool, typer.Option("--listen", help="Let other computers in; needs --key.")]
Mcp = Annotated[bool, typer.Option("--mcp", help="Let assistants in too, by the Model Context Protocol, at /mcp.")]
Api = Annotated[bool, typer.Option("--api", hidden=True, help="As scripts for other programs say it; it is always so.")]


def serve(
    port: Port = 7860,
    key: Key = "",
    origin: Origins = None,
    listen: Listen = False,
    mcp: Mcp = False,
    api: Api = True,
) -> None:
    """Serve the HTTP API without a window, until Ctrl-C. Prints its address when it answers; /docs there explains it."""
    from app.http.launch import run

    status = run(port, key, tuple(origin or ()), listen, mcp=mcp)
    if status:
        raise typer.Exit(status)
