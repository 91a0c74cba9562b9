"""When Easel cannot start: a sentence and a debug report, from the standard library alone.

Whatever is broken (a library, a settings file, the list of jobs) may be the reason, so nothing of it is needed here.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterable
from pathlib import Path

from app.identity import identity
from app.redact import redact

LOG_BYTES = 200_000  # of the end of each log
JOBS = 500  # whose prompts are taken out
PACKAGES = ("torch", "diffusers", "transformers", "gradio", "pywebview", "pydantic", "PySide6", "safetensors")


def places() -> tuple[Path, Path, Path]:
    """The folders of data, settings and logs; a temporary one where even these cannot be told."""
    try:
        from app.paths import Paths

        found = Paths.default()
        return found.data, found.config, found.logs
    except Exception:  # the reason for the report may be in there
        home = Path(os.environ.get("EASEL_HOME") or Path(tempfile.gettempdir()) / "easel")
        return home / "data", home / "config", home / "logs"


def build(error: BaseException) -> dict[str, str]:
    """The files of the report by name, with names, folders, keys and prompts taken out."""
    data, config, logs = places()
    who = identity(_prompts(data / "ledger.sqlite3"))
    facts = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "settings": _state(config / "settings.json"),
        "ledger": _ledger(data / "ledger.sqlite3"),
    }
    files = {
        "error.txt": "".join(traceback.format_exception(error)),
        "environment.json": json.dumps(facts, indent=1),
        **{f"logs/{path.name}": _tail(path) for path in sorted(logs.glob("*.log*"))[:6] if path.is_file()},
    }
    return {name: redact(text, who) for name, text in files.items()}


def save(files: dict[str, str]) -> Path | None:
    """Write the report beside the logs, or where there is room; None when nothing can be written."""
    name = f"easel-report-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    for folder in (places()[2] / "reports", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
                for each, text in files.items():
                    archive.writestr(each, text)
        except OSError:
            continue
        return folder / name
    return None


def offer(error: BaseException) -> Path | None:
    """Say that Easel could not start, and save a report: asked for in a terminal, at once where nobody can be asked."""
    files = build(error)
    if sys.stdin is not None and sys.stdin.isatty() and not _agreed(files):
        return None
    path = save(files)
    if path is not None:
        _say(f"A report lies at {path}. It holds no names, keys or prompts; look at it, and send it if you like.")
        _say("Easel sends it nowhere.")
    return path


def cannot_import(error: BaseException) -> int:
    """Easel's own libraries cannot be loaded: what it is, what can be done, and a report. Returns the exit status."""
    _say(f"Easel could not start: {type(error).__name__}: {error}")
    _say("Its installation is damaged. tools/install makes it anew (an installer does, too); your pictures stay.")
    offer(error)
    return 1


def _agreed(files: dict[str, str]) -> bool:
    _say("A debug report can be saved. It would hold these files, without names, keys and prompts:")
    for name, text in files.items():
        _say(f"  {name}  {len(text)} characters")
    try:
        print("Save it? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes", "j", "ja")
    except (OSError, ValueError):
        return False


def _say(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def _prompts(ledger: Path) -> Iterable[str]:
    """The prompts of the newest jobs as far as they can be read, to be taken out of everything else."""
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=2) as db:
            rows = db.execute("SELECT request FROM jobs ORDER BY created DESC LIMIT ?", (JOBS,)).fetchall()
        requests = [json.loads(row[0]) for row in rows]
    except (sqlite3.Error, ValueError, TypeError, RecursionError):
        return ()
    return tuple(
        text for each in requests for name in ("prompt", "negative_prompt") if (text := str(each.get(name) or ""))
    )


def _state(path: Path) -> str:
    """What can be said of a JSON file without saying what is in it."""
    try:
        text = path.read_text(encoding="utf-8")
        return f"{len(text)} characters, keys {sorted(json.loads(text))}"
    except FileNotFoundError:
        return "none"
    except (OSError, ValueError, TypeError, RecursionError) as error:
        return f"broken: {type(error).__name__}"


def _ledger(path: Path) -> str:
    if not path.exists():
        return "none"
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2) as db:
            return str(db.execute("PRAGMA quick_check").fetchone()[0])[:200]
    except sqlite3.Error as error:
        return f"broken: {error}"


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
    except Exception as error:  # a damaged installation has damaged facts about itself
        return type(error).__name__


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"could not be read: {error.strerror}"
