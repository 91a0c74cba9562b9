"""A selection of the history as one file to give away: a zip of the pictures, with or without a page that shows them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

from app.history import Picture
from app.outputs import sidecars
from engines.api import UserError

STYLE = (
    "body{font:1rem/1.4 system-ui;margin:2rem;color-scheme:light dark}main{display:grid;gap:1.5rem;"
    "grid-template-columns:repeat(auto-fill,minmax(16rem,1fr))}img,video{max-width:100%;height:auto}"
    "figure{margin:0}figcaption{font-size:.9rem}small{opacity:.7}"
)


def export(pictures: Sequence[Picture], target: Path, *, page: bool = True, title: str = "Easel") -> int:
    """Write the zip and return how many files are in it. Raises `UserError("export-empty")` or `("export-not-saved")`."""
    there = [each for each in pictures if each.path.is_file()]
    if not there:
        raise UserError("export-empty")
    names = _names(there)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:  # pictures are packed already
            for picture, name in zip(there, names, strict=True):
                archive.write(picture.path, f"pictures/{name}")
                for side in sidecars(picture.path):
                    archive.write(side, f"pictures/{Path(name).with_suffix(side.suffix)}")
            if page:
                archive.writestr("index.html", gallery(there, names, title))
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError("export-not-saved", path=str(target), why=error.strerror or str(error)) from error
    return len(there)


def gallery(pictures: Sequence[Picture], names: Sequence[str], title: str) -> str:
    """One page without scripts that shows the files beside it."""
    figures = "".join(_figure(picture, name) for picture, name in zip(pictures, names, strict=True))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1><main>{figures}</main>"
    )


def _figure(picture: Picture, name: str) -> str:
    source = escape(f"pictures/{name}")
    if picture.media_type.startswith("video/"):
        shown = f'<video src="{source}" controls loop muted></video>'
    else:
        shown = f'<a href="{source}"><img src="{source}" alt="" loading="lazy"></a>'
    said = f"{picture.model} · {picture.seed} · {picture.width} × {picture.height}"
    return f"<figure>{shown}<figcaption>{escape(picture.prompt)}<br><small>{escape(said)}</small></figcaption></figure>"


def _names(pictures: Sequence[Picture]) -> list[str]:
    """The files' own names; a second one of a name gets a number."""
    names: list[str] = []
    taken: set[str] = set()
    for picture in pictures:
        name, number = picture.path.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{picture.path.stem}-{number}{picture.path.suffix}"
        taken.add(name.casefold())
        names.append(name)
    return names
