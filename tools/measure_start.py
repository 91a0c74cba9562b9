"""Measure how long Easel takes to be there: the splash, the page, and what the time consists of.

Starts the real `tools/start-ui` five times on a screen without a viewer (Xvfb, started here when DISPLAY is not set) and
prints the median in wall and CPU seconds. CPU seconds are those of the shell with all its children. With `--program` it
starts a bundle instead, in turn with the unfrozen one, and prints their ratio too.

    ./.venv/bin/python tools/measure_start.py [--runs 5] [--json] [--program dist/cpu/easel/easel]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_UI = ROOT / "tools" / "start-ui"
PATIENCE = 60.0
# Lines of the log that mark the stages of a start, in their order.
MARKS = {"window": "splash shown", "server": "serving port", "page": "page usable", "worker": "worker started"}


@dataclass(frozen=True)
class Start:
    """One start: seconds from the process's start until each mark (wall), and CPU seconds of all processes by then."""

    wall: dict[str, float]
    cpu: dict[str, float]


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measure how long Easel takes to be there.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--program", type=Path, help="a frozen easel, compared with the unfrozen one")
    arguments = parser.parse_args()
    programs = [START_UI, *([arguments.program.absolute()] if arguments.program else [])]
    starts: dict[Path, list[Start]] = {program: [] for program in programs}
    with screen(), tempfile.TemporaryDirectory() as home:
        for _ in range(arguments.runs + 1):  # in turn, so that whatever else runs here slows both down
            for program in programs:
                starts[program].append(measure(Path(home), program))
    reports = [medians(starts[program][1:]) for program in programs]  # the first start fills the disk's cache
    if arguments.json:
        print(json.dumps(reports if arguments.program else reports[0]))
        return 0
    print(f"median of {arguments.runs} starts, seconds from the start of the program")
    for program, report in zip(programs, reports, strict=True):
        print(program.name)
        for mark, row in report.items():
            print(f"  {mark:8} wall {row['wall']:5.2f}   cpu {row['cpu']:5.2f}")
    if arguments.program:
        for mark, row in reports[1].items():
            ratios = {kind: row[kind] / reports[0][mark][kind] for kind in ("wall", "cpu")}
            print(f"  {mark:8} frozen / unfrozen: wall {ratios['wall']:.2f}   cpu {ratios['cpu']:.2f}")
    return 0


def medians(starts: list[Start]) -> dict[str, dict[str, float]]:
    """For each mark the median wall and CPU seconds."""
    return {
        mark: {
            kind: round(statistics.median(asdict(start)[kind][mark] for start in starts), 2) for kind in ("wall", "cpu")
        }
        for mark in MARKS
    }


def measure(home: Path, program: Path) -> Start:
    """Start Easel once, wait for all marks, end it."""
    log = home / "logs" / "easel.log"
    log.unlink(missing_ok=True)
    environment = {**os.environ, "EASEL_HOME": str(home)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.time()
    process = subprocess.Popen([str(program)], env=environment, stderr=subprocess.DEVNULL)
    try:
        return _watch(log, started, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _watch(log: Path, started: float, pid: int) -> Start:
    wall: dict[str, float] = {}
    cpu: dict[str, float] = {}
    while len(wall) < len(MARKS):
        if time.time() - started > PATIENCE:
            raise SystemExit(f"no {set(MARKS) - set(wall)} after {PATIENCE} s")
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        for mark, words in MARKS.items():
            if mark not in wall and words in text:
                wall[mark], cpu[mark] = time.time() - started, _cpu_seconds(pid)
        time.sleep(0.02)
    return Start(wall, cpu)


def _cpu_seconds(pid: int) -> float:
    import psutil  # not at the top: the smoke test of a bundle uses `screen`, and has nothing but Python

    total = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@contextlib.contextmanager
def screen() -> Iterator[None]:
    """DISPLAY as it is, or a screen of our own."""
    if os.environ.get("DISPLAY"):
        yield
        return
    program = shutil.which("Xvfb")
    if program is None:
        raise SystemExit("there is no screen, and no Xvfb to make one (on Debian: apt install xvfb)")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writing), "-screen", "0", "1400x960x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    os.environ["DISPLAY"] = f":{os.read(reading, 10).decode().strip()}"
    try:
        yield
    finally:
        server.terminate()
        server.wait()
        del os.environ["DISPLAY"]


if __name__ == "__main__":
    sys.exit(main())
