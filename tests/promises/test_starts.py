"""Twenty starts at once open one window; the others say so and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.paths import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

STARTS = 20


def test_twenty_starts_at_once(home: Path, promised: Callable[[str, str], None]) -> None:
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT), "BROWSER": "true"}
    command = [sys.executable, "-P", "-m", "app", "ui", "--browser"]
    programs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(STARTS)
    ]
    deadline = time.monotonic() + 180
    while sum(each.poll() is None for each in programs) > 1:
        assert time.monotonic() < deadline, "more than one of them stays"
        time.sleep(0.2)
    (first,) = [each for each in programs if each.poll() is None]
    others = [each for each in programs if each is not first]
    assert all(each.returncode == 0 for each in others)
    assert all("open already" in each.communicate()[1] for each in others)
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    promised(
        "one window for each data folder", f"{STARTS} starts at once: 1 stayed, {len(others)} ended with a sentence"
    )
