"""Run the tests of the promises and write down what was measured: promise, figure, test, date, command.

    ./.venv/bin/python tools/prove_promises.py            # all of them; hours on a small machine
    ./.venv/bin/python tools/prove_promises.py -k offline # some; the other rows stay as they were

`EASEL_KILLS=20` makes the longest loop shorter; the table says how many kills there were.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from run_tests import screen

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "promises.json"
PAGE = ROOT / "docs" / "promises.md"
HEAD = """# Promises, and how we know

Each row is a promise, what was measured when its test last ran, where the test is, and when that was. The tests run the real
thing: whole programs, the real worker, the starter model. A test fails when its promise is broken; the figure says how well it
is kept. Made by `tools/prove_promises.py`, with the same tests that `tools/run-tests --all` runs.

| promise | measured | test | date |
| --- | --- | --- | --- |
"""
TAIL = """
Run one of them: `./tools/run-tests --all -k "kills_at_random"`. What is promised and what is not: [SECURITY.md](../SECURITY.md).
"""


def main(arguments: list[str]) -> int:
    """Run the tests, then write record and page; returns pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "figures.jsonl"
        status = run(fresh, arguments)
        write(fresh)
    return status


def run(fresh: Path, arguments: list[str]) -> int:
    """The tests, with the file that they write their figures to."""
    environment = {**os.environ, "EASEL_PROMISES": str(fresh), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [*screen(), sys.executable, "-m", "pytest", "-s", "-m", "long", "tests/promises", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def write(fresh: Path) -> None:
    """Lay the new figures over the ones that are kept, and make the page of them."""
    rows = {row["promise"]: row for row in json.loads(RECORD.read_text("utf-8"))} if RECORD.exists() else {}
    today = datetime.date.today().isoformat()
    for line in fresh.read_text("utf-8").splitlines() if fresh.exists() else ():
        row = json.loads(line)
        rows[row["promise"]] = {**row, "date": today}
    RECORD.write_text(json.dumps(list(rows.values()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(HEAD + "".join(map(_line, rows.values())) + TAIL, encoding="utf-8")


def _line(row: dict[str, str]) -> str:
    file, _, name = row["test"].partition("::")
    return f"| {row['promise']} | {row['figure']} | [`{name.partition('[')[0]}`](../{file}) | {row['date']} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
