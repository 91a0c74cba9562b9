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

| promise | measured | test | date | command |
| --- | --- | --- | --- | --- |
"""
TAIL = """
## What is promised and not measured in full

All figures above are of one computer with two processor cores and no graphics card, which did other work at the same time,
except for the rows of thirty deaths, 50 and 500 jobs: on an otherwise idle computer the next picture is there within half of the 10 s that are promised.

- **No orphans after 2 s**: beside much other work (six times as many busy processes as cores) it took 2.01 s; 1.69 s before.
- **Stop seen within 0.3 s**: the times in the table are those until the job was over, beside as much other work.
- **Stop while a model loads**: the engine may be inside a library for some seconds and hears nothing. The job is over at
  once all the same; the engine keeps what it imported and is ended only when it stays silent for five seconds.
- **Memory that runs out and decoders that break on a graphics card**: the errors are put in by the tests; no card was at hand.
- **A power cut** is taken for a kill: files are synced before they are renamed and the ledger is synced at each write, but no
  plug was pulled.
- **A clock that jumps, a program folder that cannot be written and a user who is not root** have no test of their own.

## What every test run proves besides

| promise | tests |
| --- | --- |
| what is no number is made once more in float32, and said; a decode that fails keeps what was drawn | [`test_rescue.py`](../tests/engines/test_rescue.py) |
| what is no number is made once more in float32 and a decode goes on where it was, for videos too | [`test_video_engine.py`](../tests/engines/test_video_engine.py) |
| every family's video killed twice in its decode is the same to the byte (`--all`) | [`test_video_kills.py`](../tests/engines/test_video_kills.py) |
| a disk without room stops no start and no Stop; ledger, history, model index, estimates, drafts and logs lose nothing | [`test_no_room.py`](../tests/app/test_no_room.py) |
| a job that goes on computes with the number of threads that it began with, and has the same bytes | [`test_threads.py`](../tests/engines/test_threads.py) |
| a door for programs that cannot be built is said in a window that opens | [`test_start.py`](../tests/app/http/test_start.py) |
| a download on a disk that fills goes on where it was | [`test_downloader.py`](../tests/app/download/test_downloader.py) |
| another family's VAE is refused with both names, one with no numbers too | [`test_vaes.py`](../tests/engines/test_vaes.py) |
| pickles are refused; their conversion has limits and runs nothing, from the command line too | [`test_conversion.py`](../tests/engines/test_conversion.py), [`test_convert_command.py`](../tests/app/test_convert_command.py) |
| model files that lie, pipes, devices, folders with code | [`test_hostile.py`](../tests/engines/identify/test_hostile.py) |
| pictures, words, presets, settings and sticks of strangers | [`test_hostile_inputs.py`](../tests/app/test_hostile_inputs.py) |
| every route of page and API refuses strangers | [`test_every_route.py`](../tests/app/test_every_route.py) |
| reports hold no canary, also when Easel cannot start | [`test_redact.py`](../tests/app/test_redact.py), [`test_cannot_start.py`](../tests/app/test_cannot_start.py) |
| parsers bear anything | [`tests/fuzz`](../tests/fuzz), and guided by coverage: `tools/fuzz.py all 300` |

Run one of them: `./tools/run-tests --all -k "kills_at_random"`. What is promised and what is not: [SECURITY.md](../SECURITY.md).
"""  # noqa: E501


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
    name = name.partition("[")[0]
    command = f"tools/run-tests --all -k {name}"
    return f"| {row['promise']} | {row['figure']} | [`{name}`](../{file}) | {row['date']} | `{command}` |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
