"""When Easel cannot start: a sentence, a report without secrets, and nothing that was there is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.ledger import JobLedger
from app.paths import ROOT, Paths
from tests.app.test_ledger import REQUEST

pytestmark = pytest.mark.timeout(180)

TOKEN, NAME, PROMPT = "hf_abcdefghijklmnopqrst", "wilhelmina", "a heron of purple glass"
CANARIES = (TOKEN, NAME, PROMPT, "aGZfYWJjZGVmZ2hpamtsbW5vcHFyc3Q", "hf%5Fabcdefghijklmnopqrst")


def run(home: Path, *words: str, broken: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """`easel`, with the library `broken` failing at its import and saying what nobody should read."""
    places = [str(ROOT)]
    if broken:
        folder = home.parent / "broken"
        folder.mkdir(exist_ok=True)
        said = f"no {broken}: token={TOKEN} at /home/{NAME}/x for {PROMPT!r} " + " ".join(CANARIES)
        (folder / f"{broken}.py").write_text(f"raise RuntimeError({said!r})")
        places.insert(0, str(folder))
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": os.pathsep.join(places), "BROWSER": "true"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "app", *words],
        env={**environment, "USER": NAME, "HOME": f"/home/{NAME}", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def report_of(home: Path) -> dict[str, str]:
    (path,) = (home / "logs" / "reports").glob("easel-report-*.zip")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def told_a_prompt(home: Path) -> None:
    """A list of jobs with a prompt in it, and a log that repeats it."""
    paths = Paths.below(home)
    paths.ensure()
    ledger = JobLedger(paths.ledger)
    ledger.add(REQUEST.with_(prompt=PROMPT), None)
    ledger.close()
    (paths.logs / "easel.log").write_text(f"INFO accepted {PROMPT} by {NAME}\n")


@pytest.mark.parametrize(("library", "words"), [("typer", ("ui", "--browser")), ("typer", ("doctor",)), ("gradio", ())])
def test_a_crash_at_import_is_a_sentence_and_a_report(tmp_path: Path, library: str, words: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    told_a_prompt(home)
    done = run(home, *(words or ("ui", "--browser")), broken=library)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "report lies at" in done.stderr and "sends it nowhere" in done.stderr
    files = report_of(home)
    assert f"no {library}" in files["error.txt"] and "RuntimeError" in files["error.txt"]
    assert "ok" in files["environment.json"]
    whole = "\n".join(files.values())
    assert [canary for canary in CANARIES if canary in whole] == []
    assert "INFO accepted" in files["logs/easel.log"]


def test_a_broken_list_of_jobs_is_a_sentence_and_a_report(tmp_path: Path) -> None:
    home = tmp_path / "home"
    told_a_prompt(home)
    ledger = home / "data" / "ledger.sqlite3"
    ledger.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    before = ledger.read_bytes()
    done = run(home, "ui", "--browser")
    assert done.returncode == 2
    assert "list of jobs cannot be read" in done.stderr and "Rename that file" in done.stderr
    assert "broken" in report_of(home)["environment.json"]
    assert ledger.read_bytes() == before
    saved = run(home, "export-debug", "--yes", "--out", str(tmp_path / "report.zip"))
    assert saved.returncode == 0 and (tmp_path / "report.zip").is_file(), saved.stderr
    ledger.rename(ledger.with_suffix(".old"))
    for each in ledger.parent.glob("ledger.sqlite3-*"):
        each.unlink()
    assert run(home, "jobs", "list").returncode == 0, "the way out that was named is one"


@pytest.mark.parametrize("text", ["{", "\0\0\0", "[" * 100_000, '{"schema_version": 1e999}'])
def test_a_broken_settings_file_stops_nothing(tmp_path: Path, text: str) -> None:
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.json").write_text(text)
    assert run(home, "jobs", "list").returncode == 0
    saved = run(home, "export-debug", "--yes", "--out", str(tmp_path / "report.zip"))
    assert saved.returncode == 0, saved.stderr
    kept = [path for path in (home / "config").iterdir() if path.read_text() == text]
    assert kept


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of the test's own is Unix'")
@pytest.mark.parametrize(("answer", "saved"), [("y\n", 1), ("n\n", 0), ("\n", 0)])
def test_in_a_terminal_it_is_asked_for(tmp_path: Path, answer: str, saved: int) -> None:
    import pty

    home = tmp_path / "home"
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "typer.py").write_text("raise RuntimeError('gone')")
    parent, child = pty.openpty()
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    program = subprocess.Popen(
        [sys.executable, "-P", "-m", "app"], env=environment, stdin=child, stderr=subprocess.PIPE, text=True
    )
    os.close(child)
    os.write(parent, answer.encode())
    said = program.communicate(timeout=100)[1]
    os.close(parent)
    assert "error.txt" in said and "Save it?" in said, "what it holds is shown first"
    assert len(list(home.rglob("easel-report-*.zip"))) == saved
