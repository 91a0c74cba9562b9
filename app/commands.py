"""All commands: those of the command line, and the one that opens the window, which is also what no command means."""

from __future__ import annotations

from app.cli import cli
from app.desktop.command import ui
from app.desktop.opening import open_file
from app.http.command import serve

cli.command("ui", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(ui)
cli.command("open")(open_file)
cli.command("serve")(serve)


def with_default(arguments: list[str]) -> list[str]:
    """No command at all opens the window: that is what a double click gives."""
    return arguments or ["ui"]


__all__ = ["cli", "with_default"]
