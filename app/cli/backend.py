"""`easel backend`: which graphics card is here, and whether this Easel can use it."""

from __future__ import annotations

import typer

from app.cli import show
from app.cli.show import Json


def backend(as_json: Json = False) -> None:
    """Show the graphics cards, the torch that is here, and which one would suit; no torch is started for it."""
    import sys
    from dataclasses import asdict

    from app.backend import choose, suits
    from app.cards import cards
    from app.machine import package_version
    from engines.api import ResourceError

    found = cards()
    torch = package_version("torch")
    choice = choose(found, sys.platform)
    if as_json:
        mismatch = suits(torch, found, sys.platform)
        wrong = mismatch.code if mismatch else ""
        show.data({"cards": [asdict(each) for each in found], "torch": torch, "suits": asdict(choice), "wrong": wrong})
        return
    show.table(
        ("card", "maker", "driver", "kernels"), [(c.name, c.vendor, c.driver or "none", c.kernels) for c in found]
    )
    typer.echo(f"torch here: {torch or 'none'}")
    typer.echo(f"suitable: {choice.backend} ({choice.why})")
    if choice.way_out:
        typer.echo(f"  - {choice.way_out}")
    if mismatch := suits(torch, found, sys.platform):
        raise ResourceError(mismatch.code, **mismatch.values)
