"""A page to browse a grid with: one file, no script, nothing from elsewhere; it works from a folder or a USB stick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from app.files import write_atomic
from app.many.axes import Axis
from engines.api import GenerationRequest

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem; }
table { border-collapse: collapse; }
th { padding: .4rem .6rem; font-weight: 600; text-align: center; max-width: 16rem; overflow-wrap: anywhere; }
th[scope=col] { position: sticky; top: 0; background: Canvas; }
td { padding: .25rem; text-align: center; }
img { display: block; max-width: 20rem; height: auto; }
.missing { width: 8rem; height: 8rem; background: #8884; }
pre { white-space: pre-wrap; max-width: 60rem; }
"""


def write_page(
    path: Path,
    axes: tuple[Axis, Axis, Axis],
    pictures: Mapping[tuple[int, int, int], Path | None],
    requests: Sequence[GenerationRequest],
) -> None:
    """Write the page beside the pictures that it shows."""
    title = escape(requests[0].image(0).prompt or "Grid")
    body = "\n".join(_sheets(axes, pictures, path.parent))
    prompts = "\n".join(dict.fromkeys(request.image(0).prompt for request in requests))
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{body}
<h2>Prompts</h2>
<pre>{escape(prompts)}</pre>
</body>
</html>
"""
    write_atomic(path, text.encode("utf-8", "replace"))


def _sheets(
    axes: tuple[Axis, Axis, Axis], pictures: Mapping[tuple[int, int, int], Path | None], folder: Path
) -> Iterator[str]:
    x, y, z = axes
    for k, value in enumerate(z.values):
        if z.field:
            yield f"<h2>{escape(f'{z.field}: {value}')}</h2>"
        yield "<table>"
        if x.field:
            heads = "".join(f'<th scope="col">{escape(f"{x.field}: {each}")}</th>' for each in x.values)
            yield f"<tr>{'<td></td>' if y.field else ''}{heads}</tr>"
        for j, line in enumerate(y.values):
            head = f'<th scope="row">{escape(f"{y.field}: {line}")}</th>' if y.field else ""
            cells = (_cell(pictures.get((i, j, k)), folder, _says(axes, (i, j, k))) for i in range(len(x.values)))
            yield f"<tr>{head}{''.join(cells)}</tr>"
        yield "</table>"


def _cell(picture: Path | None, folder: Path, says: str) -> str:
    if picture is None:
        return '<td><div class="missing" role="img" aria-label="not made"></div></td>'
    place = picture.relative_to(folder).as_posix() if picture.is_relative_to(folder) else picture.as_uri()
    link = place if "://" in place else quote(place)
    return f'<td><a href="{link}"><img src="{link}" alt="{escape(says)}" loading="lazy"></a></td>'


def _says(axes: tuple[Axis, Axis, Axis], place: tuple[int, int, int]) -> str:
    named = zip(axes, place, strict=True)
    return ", ".join(f"{axis.field} {axis.values[index]}" for axis, index in named if axis.field) or "picture"
