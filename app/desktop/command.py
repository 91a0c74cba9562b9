"""`easel ui`: opens the window. Takes the flags that people have in their scripts from other WebUIs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

API_PORT = 7860  # A1111's
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="A fixed port; usually a free one is taken.")]
Listen = Annotated[bool, typer.Option("--listen", help="Let other computers in; needs --gradio-auth.")]
Auth = Annotated[str | None, typer.Option("--gradio-auth", metavar="USER:PASSWORD", help="The password for --listen.")]
Browser = Annotated[
    bool, typer.Option("--browser", "--autolaunch", "--inbrowser", help="Open in the browser, without a window.")
]
Theme = Annotated[str, typer.Option("--theme", help="light or dark; otherwise as the settings say.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Keep everything below this folder.")]
CkptDir = Annotated[
    list[Path] | None, typer.Option("--ckpt-dir", "--models-dir", help="One more folder with models; repeatable.")
]
Api = Annotated[bool, typer.Option("--api", help="Serve the HTTP API too, at --port or 7860.")]
NoWebUi = Annotated[bool, typer.Option("--nowebui", help="The API alone, without a window.")]
ApiAuth = Annotated[
    str, typer.Option("--api-auth", metavar="USER:PASSWORD", help="What programs must send to the API.")
]
Cors = Annotated[str, typer.Option("--cors-allow-origins", metavar="URL,URL", help="Web pages that may use the API.")]

Mcp = Annotated[bool, typer.Option("--mcp", help="Serve the HTTP API, with tools for assistants (MCP) in it.")]


def ui(
    context: typer.Context,
    port: Port = 0,
    listen: Listen = False,
    gradio_auth: Auth = None,
    browser: Browser = False,
    theme: Theme = "",
    data_dir: DataDir = None,
    ckpt_dir: CkptDir = None,
    api: Api = False,
    nowebui: NoWebUi = False,
    api_auth: ApiAuth = "",
    cors_allow_origins: Cors = "",
    mcp: Mcp = False,
) -> None:
    """Open the window. The usual flags of other WebUIs are taken; those that mean nothing here are named."""
    from app.desktop.launch import run
    from app.desktop.options import Options, ignored_flags, password_of
    from app.paths import HOME_VARIABLE
    from engines.api import UserError

    for ignored in ignored_flags(context.args):
        typer.echo(f"{ignored.flag} changes nothing here: {ignored.why}.", err=True)
    if listen and not gradio_auth and not nowebui:
        raise UserError("listen-needs-password")
    if theme not in ("", "light", "dark"):
        raise UserError("setting-invalid", why=f"--theme is {theme!r}; it can be light or dark")
    if data_dir is not None:
        os.environ[HOME_VARIABLE] = str(data_dir.expanduser().absolute())
    password = password_of(gradio_auth) if gradio_auth else None
    folders = tuple(folder.expanduser().absolute() for folder in ckpt_dir or ())
    origins = tuple(filter(None, (each.strip() for each in cors_allow_origins.split(","))))
    if nowebui:
        from app.http.launch import run as serve

        status = serve(port or API_PORT, api_auth, origins, listen, folders, mcp)
    else:
        api = api or mcp
        page_port, api_port = (0, port) if api and not listen else (port, 0)
        asked = Options(page_port, listen, password, browser, theme, folders, api, api_port, api_auth, origins, mcp)
        status = run(asked)
    if status:
        raise typer.Exit(status)
