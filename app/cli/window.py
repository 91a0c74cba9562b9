"""`easel ui`: the command that opens the window, which this version does not have yet, and says so."""

from __future__ import annotations

import typer


def ui(context: typer.Context) -> None:
    """Open the window. Not in this version yet: it says what there is instead."""
    from engines.api import UserError

    raise UserError("window-not-yet", arguments=" ".join(context.args))
