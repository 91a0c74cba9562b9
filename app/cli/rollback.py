"""`easel rollback`: the version before the last update is used again."""

from __future__ import annotations

import typer

from app.cli import show
from app.cli.show import Json


def rollback(as_json: Json = False) -> None:
    """Undo the last update: the next start uses the version before. A second call goes forward again."""
    from app.paths import PROGRAM
    from app.versions import NoVersion, versions_of
    from engines.api import UserError

    versions = versions_of(PROGRAM)
    if versions is None:
        raise UserError("no-versions", folder=str(PROGRAM))
    undone = versions.names[0] if versions.names else ""
    try:
        now = versions.undo()
    except NoVersion as error:
        raise UserError("no-version-before", version=undone) from error
    except OSError as error:
        raise UserError("rollback-failed", folder=str(versions.base), why=error.strerror or str(error)) from error
    if as_json:
        show.data({"undone": undone, "now": now})
    else:
        typer.echo(
            f"Version {now} is used from the next start on; {undone} is kept, and another rollback goes back to it."
        )
