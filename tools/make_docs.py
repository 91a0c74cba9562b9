"""Write the pages of `docs/` that are made from the code: `python tools/make_docs.py`; `--check` only compares."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
# Help is laid out for the terminal; the pages want one width, no colour and no frames.
os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1", TYPER_USE_RICH="0")

NOTE = "<!-- Made by tools/make_docs.py; edit the code instead. -->\n"


def main(check: bool) -> int:
    """Write the pages, or with `check` name those that differ; returns the exit status."""
    stale = []
    for name, text in pages().items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'out of step' if check else 'written'}: docs/{name}")
    return 1 if check and stale else 0


def pages() -> dict[str, str]:
    """Every made page by file name."""
    from family_pages import families_page, family_pages
    from video_page import video_page

    return {
        "cli.md": cli_page(),
        "families.md": NOTE + families_page(),
        "samplers.md": samplers_page(),
        "video.md": NOTE + video_page(),
    } | {f"families/{name}": NOTE + text for name, text in family_pages().items()}


def cli_page() -> str:
    """The help of every command."""
    import typer
    from typer.testing import CliRunner

    from app.commands import cli

    parts = [f"{NOTE}# Command line\n"]
    for path in _paths(typer.main.get_command(cli), []):
        shown = CliRunner().invoke(cli, [*path, "--help"], prog_name="easel").output
        help_text = "\n".join(line.rstrip() for line in shown.splitlines()).strip()
        parts.append(f"## {' '.join(['easel', *path])}\n\n```text\n{help_text}\n```\n")
    return "\n".join(parts)


def _paths(command: Any, path: list[str]) -> Iterator[list[str]]:
    """The words of every command, groups before what is in them."""
    yield path
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _paths(inner, [*path, name])


def samplers_page() -> str:
    """The samplers and schedules, from their registry."""
    from engines.api import SAMPLER_REGISTRY, sampler_rows

    samplers = [tuple(row.values()) for row in sampler_rows()]
    heads = tuple(sampler_rows()[0])
    schedules = [(entry.key, ", ".join(entry.aliases), entry.summary) for entry in SAMPLER_REGISTRY.schedules]
    return (
        f"{NOTE}# Samplers\n\n{_table(heads, samplers)}\n"
        f"# Noise schedules\n\n{_table(('name', 'aliases', 'what it does'), schedules)}"
    )


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
