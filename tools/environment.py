"""Make the environment that Easel runs in, or bring it up to date, and say what is done, why, and how long it took.

Standard library only: this runs before anything is installed. A set-up consists of an environment in .venv, uv (a
quicker installer, left out where it cannot be had), the packages of pyproject.toml with torch for this computer's
backend, and a first start of torch. Nothing outside .venv and the installers' own caches is changed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from environment_backend import DISK_GB, TORCH_INDEX, VARIABLE, UnknownBackend, choose_backend
from environment_packages import install, wanted_packages

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "easel-ready"
BEGUN = VENV / "easel-begun"  # there while a set-up runs, and after one that was broken off
LOCK = ROOT / ".venv.lock"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
LOCK_TIMEOUT = 1800  # seconds that a second set-up waits for the first one
BROKEN, UNSUITABLE, STOPPED = 3, 2, 130


def say(text: str) -> None:
    """One line for the person, at once, and not mixed with what the command itself prints."""
    print(f"easel set-up: {text}", file=sys.stderr, flush=True)


def main(given: list[str]) -> int:
    """Make the environment or bring it up to date; returns the exit status."""
    parser = argparse.ArgumentParser(prog="install", description="Make Easel's environment or bring it up to date.")
    parser.add_argument("--test", action="store_true", help="what the tests need, too")
    parser.add_argument("--force", action="store_true", help="make it anew even when nothing changed")
    arguments = parser.parse_args(given)
    try:
        with _one_at_a_time():
            return bring_up_to_date(arguments.test, arguments.force)
    except KeyboardInterrupt:
        say("stopped. The next call starts it again; what was downloaded is kept.")
        return STOPPED
    except UnknownBackend as error:
        say(f"{VARIABLE} is {str(error)!r}; it can be {', '.join(TORCH_INDEX)}, or be left out.")
        return UNSUITABLE
    except (subprocess.CalledProcessError, OSError) as error:
        say(f"it did not work: {_in_short(error)}")
        say("Look at the lines above, check the network and the free disk space, then try again: it goes on from here.")
        return BROKEN


def bring_up_to_date(test: bool, force: bool) -> int:
    """Do what is missing. A backend that was set up before is kept, and so are the tests' packages."""
    before = read_stamp()
    backend, why = choose_backend(before.get("backend", ""))
    wanted = fingerprint(backend, test or bool(before.get("test")))
    if not force and is_ready(wanted):
        STAMP.touch()
        return 0
    make(backend, why, wanted, anew=force or before.get("backend", backend) != backend)
    return 0


def make(backend: str, why: str, wanted: dict[str, str], anew: bool) -> None:
    """Install everything; the stamp comes last, so that a set-up that was broken off is seen and done again."""
    started = time.monotonic()
    packages = wanted_packages(ROOT, backend, bool(wanted["test"]))
    _introduce(backend, why, len(packages))
    STAMP.unlink(missing_ok=True)
    if anew or BEGUN.exists() or not _usable():
        with _timed("making the environment in .venv"):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    BEGUN.touch()
    with _timed("installing the packages and what they need"):
        say(f"installed with {install(PYTHON, packages, backend, say)}")
    with _timed("the first start of torch"):
        subprocess.run([str(PYTHON), "-c", "import torch, diffusers"], check=True)
    STAMP.write_text(json.dumps(wanted), encoding="utf-8")
    BEGUN.unlink()
    say(f"ready after {time.monotonic() - started:.0f} s; from now on Easel starts at once")


def _introduce(backend: str, why: str, count: int) -> None:
    say(f"Python {sys.version.split()[0]} at {sys.executable}")
    say(f"backend {backend}: {why}")
    say(f"to do: an environment in {VENV}, {count} packages with what they need, a first start of torch")
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < DISK_GB[backend]:
        say(f"only {free:.1f} GB of disk are free, and about {DISK_GB[backend]} GB are needed: it may not be enough")


def _usable() -> bool:
    """Whether there is an environment with a Python that starts and has pip."""
    if not PYTHON.exists():
        return False
    return subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def fingerprint(backend: str, test: bool) -> dict[str, str]:
    """Changes when the environment has to change. The tests' packages are more, never others."""
    return {
        "backend": backend,
        "base": _hash(wanted_packages(ROOT, backend, False)),
        "test": _hash(wanted_packages(ROOT, backend, True)) if test else "",
    }


def _hash(packages: list[str]) -> str:
    return hashlib.sha256("\n".join(packages).encode()).hexdigest()


def read_stamp() -> dict[str, str]:
    """What the last finished set-up wrote; empty when there is none that can be read."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_ready(wanted: dict[str, str]) -> bool:
    """Whether the stamp says that the environment has at least what is wanted."""
    found = read_stamp()
    return PYTHON.exists() and all(found.get(key) == value for key, value in wanted.items() if value)


def _in_short(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        # The whole command is a screenful of packages.
        return f"{' '.join(map(str, error.cmd[:4]))} … ended with status {error.returncode}"
    return str(error)


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    say(f"{what} …")
    yield
    say(f"{what}: {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """A lock of the operating system: it is free again when its holder dies."""
    with LOCK.open("a+b") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT
        waited = False
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError("another set-up has been running for half an hour; end it first")
            if not waited:
                say("another set-up is running; waiting for it")
            waited = True
            time.sleep(0.2)
        yield


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if not (3, 11) <= sys.version_info < (3, 14):
        say(f"Python {sys.version.split()[0]} is not one of 3.11, 3.12, 3.13. Install one of those and try again.")
        sys.exit(UNSUITABLE)
    sys.exit(main(sys.argv[1:]))
