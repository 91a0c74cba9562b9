"""A real `easel serve` in a process of its own, with the starter model, on a free port of loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from app.paths import ROOT

T = TypeVar("T")


class Served:
    """`easel serve` as a process."""

    def __init__(self, home: Path, *flags: str) -> None:
        environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app", "serve", "--port", "0", *flags],
            cwd=home.parent,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), "it did not start"
        self.port = int(self.address.rpartition(":")[2])
        self.http = httpx.Client(base_url=self.address, timeout=120, trust_env=False)

    def stop(self) -> int:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a run."""
    running = Served(tmp_path_factory.mktemp("api") / "home", "--origin", "https://a.page.example")
    yield running
    assert running.stop() == 0


def in_own_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: a browser of other tests may keep a loop in this one."""
    with ThreadPoolExecutor(1) as own_thread:
        return own_thread.submit(asyncio.run, coroutine).result()
