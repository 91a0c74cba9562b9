"""Offline means offline: a whole run where there is no network but loopback, every system call of it looked at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from app.paths import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def can_leave_the_network() -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_leave_the_network(), reason="needs unshare, and the right to use it")
def test_a_picture_where_there_is_no_network(home: Path, promised: Callable[[str, str], None]) -> None:
    trace = home.parent / "trace.txt"
    strace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace)]
    command = [
        *(strace if shutil.which("strace") else []),
        sys.executable,
        "-P",
        "-m",
        "app",
        "generate",
        "a red apple",
    ]
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh", *command],
        env={**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list((home / "outputs").rglob("*.png"))
    foreign = beyond_loopback(trace.read_text(errors="replace")) if trace.exists() else []
    assert foreign == []
    how = "0 connections beyond loopback by strace" if trace.exists() else "made without a network; strace is not here"
    promised("offline means offline, from the command line", how)


def beyond_loopback(trace: str) -> list[str]:
    """Lines of strace that speak to anything but loopback and local sockets."""
    spoken = [line for line in trace.splitlines() if "AF_INET" in line]
    own = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::1"')
    return [line for line in spoken if not own.search(line)]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_the_window_s_server_speaks_to_nobody_else(home: Path, promised: Callable[[str, str], None]) -> None:
    """From start to a served page, with a network to be had: nobody is asked for anything."""
    trace = home.parent / "trace.txt"
    command = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace)]
    command += [sys.executable, "-P", "-m", "app", "ui", "--browser"]
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT), "BROWSER": "true"}
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        assert b"easel" in opener.open(address, timeout=60).read().lower()
        time.sleep(3)
    finally:
        children = subprocess.run(["pgrep", "-P", str(program.pid)], capture_output=True, text=True).stdout.split()
        for child in children:
            os.kill(int(child), signal.SIGTERM)
        program.wait(60)
    assert beyond_loopback(trace.read_text(errors="replace")) == []
    promised("offline means offline, the window", "0 look-ups and 0 connections beyond loopback by strace")
