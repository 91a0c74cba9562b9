"""Writes what a person has after a while with Easel, in today's schemas: `python -m tests.app.corpus FOLDER` before a release.

A folder of tests/corpus is never changed once its version is released: `test_corpus.py` opens all of them for ever. Databases
are kept as text (`sqlite3`'s dump with the schema's number), so that a difference can be read.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.bootstrap import build_services
from app.desktop.place import WindowPlace, save_place
from app.drafts import Draft
from app.history import Query
from app.jobs import Succeeded
from app.paths import Paths
from app.presets import Preset
from app.resolve import resolve
from engines.api import Task

DATABASES = ("ledger", "history")
HOME = "@HOME@"


def write(folder: Path) -> None:
    """Make pictures with the starter model, change settings, save presets, and leave it all in `folder`."""
    home = folder / "home"
    paths = Paths.below(home)
    with build_services(paths) as services:
        services.settings_store.change(theme="dark", preset="draft", log_prompts=False, model_folders=[Path("/models")])
        services.presets.save(
            Preset(
                id="text-to-image/mine",
                title="Mine ä",
                task=Task.TEXT_TO_IMAGE,
                values={"steps": 9, "sampler": "Euler"},
            )
        )
        services.drafts.put("image", Draft(prompt="a half-typed wish", count=2, values={"steps": 7}))
        for seed, prompt in ((3, "a red apple"), (7, 'a "fox", in snow: quietly\nsecond line')):
            values = {"prompt": prompt, "negative_prompt": "blurry", "seed": seed, "steps": 4, "count": 1}
            found = resolve(models=services.models, values=values)
            job = services.orchestrator.submit(found.request, found.record)
            assert isinstance(services.orchestrator.wait(job.id).state, Succeeded)
        services.history.rebuild()  # the index has its number from the first rebuild on
        first = services.history.search(Query())[0]
        services.history.set_favourite(first.id, True)
    save_place(paths.window_file, WindowPlace(1300, 900, 40, 30))
    for name in DATABASES:
        dump(getattr(paths, name), folder / f"{name}.sql", home)
    _tidy(home)


def dump(database: Path, target: Path, home: Path) -> None:
    """The database as text, with the number of its schema; the folder that everything lay in is left open."""
    with closing(sqlite3.connect(database)) as db:
        number = db.execute("PRAGMA user_version").fetchone()[0]
        text = "\n".join([*db.iterdump(), f"PRAGMA user_version = {number};", ""])
    target.write_text(text.replace(str(home), HOME), encoding="utf-8")


def restore(source: Path, database: Path, home: Path) -> None:
    """The database that `dump` made the text of, with everything in `home`."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as db:
        db.executescript(source.read_text(encoding="utf-8").replace(HOME, str(home)))


def _tidy(home: Path) -> None:
    """Only what has a schema stays: no logs, no locks, no databases in their binary form."""
    gone: tuple[Callable[[Path], bool], ...] = (
        lambda path: "sqlite3" in path.name,
        lambda path: path.name.endswith((".lock", ".key", ".log", ".last.json")),
        lambda path: not path.stat().st_size,
    )
    for path in sorted(home.rglob("*")):
        if path.is_file() and any(test(path) for test in gone):
            path.unlink()
    for name in ("logs", "cache"):
        shutil.rmtree(home / name, ignore_errors=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]).absolute())
