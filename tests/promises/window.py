"""The whole app as a person starts it, in a process of its own: its page's routes, its API, and a way to kill it."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.paths import ROOT


class Window:
    """`easel ui --browser --api` on a data folder; `page` asks as the window does, `api` as a program does."""

    def __init__(self, home: Path, *flags: str) -> None:
        self.api_port = free_port()
        environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT), "BROWSER": "true"}
        command = [sys.executable, "-P", "-m", "app", "ui", "--browser", "--api", "--port", str(self.api_port), *flags]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), "Easel did not start"
        self.origin = self.address.partition("/?")[0]
        self.page = httpx.Client(
            base_url=self.origin, headers={"Origin": self.origin}, timeout=120, trust_env=False, follow_redirects=True
        )
        assert self.page.get(self.address).status_code == 200
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.api_port}", timeout=120, trust_env=False)
        atexit.register(self.process.kill)  # a test that fails leaves no window behind

    def snapshot(self) -> dict[str, Any]:
        """What a page is told when it opens."""
        with self.page.stream("GET", "/easel/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: snapshot"
            return json.loads(next(lines).removeprefix("data: "))

    def history(self) -> list[str]:
        """The ids of the pictures that the page's history lists."""
        return [picture["picture"] for picture in self.page.get("/easel/history").json()["pictures"]]

    def kill(self) -> None:
        """SIGKILL for the app; its worker has to end by itself."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        assert not psutil.wait_procs(family, timeout=5)[1], "a worker outlived its parent"

    def stop(self) -> int:
        """A kind end, as closing the window is one."""
        self.page.close()
        self.api.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def easel(home: Path, *words: str) -> Any:
    """What a command says with --json."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app", *words, "--json"],
        env={**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
