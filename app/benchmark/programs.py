"""Programs that a benchmark starts: what they take, from outside, with all processes that they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.paths import FROZEN, ROOT
from engines.api import InternalError, Took

END_SECONDS = 20.0


def easel_command(*arguments: str) -> list[str]:
    """Easel's own command line."""
    return [sys.executable, *([] if FROZEN else ["-P", "-m", "app"]), *arguments]


def environment(home: Path) -> dict[str, str]:
    """For a program that has `home` as its data folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "EASEL_HOME": str(home)}


def run(command: Sequence[str], env: Mapping[str, str]) -> tuple[str, Took]:
    """Run a program to its end: what it printed, and what it took with all its children. Raises `InternalError`."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=dict(env), check=False)
    after, wall = os.times(), time.perf_counter() - started
    if done.returncode:
        raise InternalError("internal", what=f"a benchmark program ended with {done.returncode}: {done.stderr[-500:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, Took(spent, wall)


def tree_seconds(pid: int) -> float:
    """Processor seconds so far of a process and those that it started and that live."""
    import psutil

    total = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        times = process.cpu_times()
        total += times.user + times.system
    return total


class Served:
    """`easel serve`, from its start until its door answers, and then what it takes. A context manager that ends it."""

    def __init__(self, home: Path, *python: str) -> None:
        """`python` are options of the interpreter."""
        command = easel_command("serve", "--port", "0")
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [command[0], *python, *command[1:]],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if python else subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self.ready = Took(tree_seconds(self._process.pid), time.perf_counter() - started)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> str:
        """End it; what it wrote to its error stream, where that is kept."""
        self._process.terminate()
        try:
            return self._process.communicate(timeout=END_SECONDS)[1] or ""
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.communicate()[1] or ""

    def post(self, path: str, data: Mapping[str, Any]) -> tuple[dict[str, Any], Took]:
        """Send JSON to it: its answer, and what it took. To this computer alone."""
        from urllib.request import ProxyHandler, Request, build_opener

        body = json.dumps(data).encode()
        request = Request(f"{self.address}{path}", body, {"Content-Type": "application/json"})
        spent, started = tree_seconds(self._process.pid), time.perf_counter()
        with build_opener(ProxyHandler({})).open(request) as answer:
            text = answer.read()
        wall = time.perf_counter() - started
        return json.loads(text), Took(tree_seconds(self._process.pid) - spent, wall)
