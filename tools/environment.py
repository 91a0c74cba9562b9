"""Make the environment that Easel runs in: find Python, choose the backend, install, and say what is done and why.

Standard library only: this runs before anything is installed. `python tools/environment.py [--test] [--quiet]`.
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
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "easel-ready"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
TORCH = "2.13.0"
# PyTorch's own indexes hold the builds for one backend; without them a processor would get gigabytes for a card.
TORCH_INDEX = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cuda": "https://download.pytorch.org/whl/cu130",
    "rocm": "https://download.pytorch.org/whl/rocm7.0",
}
INDEX_TIMEOUT = 5  # seconds; an index that does not answer is left out and said so
LOCK_TIMEOUT = 1800  # seconds that a second set-up waits for the first one


def say(text: str) -> None:
    """One line for the person, at once, and not mixed with what the command itself prints."""
    print(f"easel set-up: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Make or bring up to date; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="what the tests need, too")
    parser.add_argument("--force", action="store_true", help="install again even when nothing changed")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11) or sys.version_info >= (3, 14):
        say(f"Python {sys.version.split()[0]} is not one of 3.11, 3.12, 3.13. Install one of those and try again.")
        return 2
    backend, why = choose_backend()
    wanted = fingerprint(backend, arguments.test)
    with _one_at_a_time():
        if not arguments.force and is_ready(wanted):
            STAMP.touch()
            return 0
        return make(backend, why, arguments.test, wanted)


def make(backend: str, why: str, test: bool, wanted: str) -> int:
    """Install everything; the stamp comes last, so that an interrupted set-up is simply done again."""
    started = time.monotonic()
    say(f"Python {sys.version.split()[0]} at {sys.executable}")
    say(f"backend {backend}: {why}")
    STAMP.unlink(missing_ok=True)
    requirements = wanted_packages(backend, test)
    try:
        if not PYTHON.exists():
            with _timed("making the environment in .venv"):
                subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        with _timed(f"installing {len(requirements)} packages and what they need"):
            install(requirements, backend)
        with _timed("checking that torch and diffusers start"):
            subprocess.run([str(PYTHON), "-c", "import torch, diffusers"], check=True, stderr=subprocess.DEVNULL)
    except (subprocess.CalledProcessError, OSError) as error:
        say(f"it did not work: {error}")
        say(
            "Check the network and the free disk space (3 GB for a processor, 12 GB for a graphics card), then try again."
        )
        return 3
    STAMP.write_text(wanted, encoding="utf-8")
    say(f"ready after {time.monotonic() - started:.0f} s")
    return 0


def choose_backend() -> tuple[str, str]:
    """The backend and the reason, in words. EASEL_BACKEND overrides it."""
    if chosen := os.environ.get("EASEL_BACKEND"):
        if chosen not in TORCH_INDEX:
            say(f"EASEL_BACKEND is {chosen!r}; it can be {', '.join(TORCH_INDEX)}. The processor is used.")
            return "cpu", "EASEL_BACKEND was not understood"
        return chosen, "EASEL_BACKEND says so"
    if name := _first_line(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]):
        return "cuda", f"nvidia-smi found {name}"
    if sys.platform == "linux" and (shutil.which("rocminfo") or Path("/opt/rocm").is_dir()):
        return "rocm", "ROCm is installed"
    return "cpu", "no NVIDIA or ROCm driver was found"


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().split("\n")[0]


def wanted_packages(backend: str, test: bool) -> list[str]:
    """The dependency lists of pyproject.toml for this backend."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras[backend], *(extras["test"] if test else [])]


def fingerprint(backend: str, test: bool) -> str:
    """Changes when the environment has to change. The tests' packages are more, never others."""
    return json.dumps(
        {
            "backend": backend,
            "base": hashlib.sha256("\n".join(wanted_packages(backend, False)).encode()).hexdigest(),
            "test": hashlib.sha256("\n".join(wanted_packages(backend, True)).encode()).hexdigest() if test else "",
        }
    )


def is_ready(wanted: str) -> bool:
    """Whether the stamp says that the environment has at least what is wanted."""
    try:
        found, asked = json.loads(STAMP.read_text(encoding="utf-8")), json.loads(wanted)
    except (OSError, ValueError):
        return False
    same = found["backend"] == asked["backend"] and found["base"] == asked["base"]
    return same and asked["test"] in ("", found["test"]) and PYTHON.exists()


def install(requirements: list[str], backend: str) -> None:
    """With uv where it can be had, which is four times quicker; pip is the way that always works."""
    extra = _torch_source(backend)
    uv = _uv()
    if uv:
        command = [*uv, "pip", "install", "--python", str(PYTHON), *_uv_flags(), *extra, *requirements]
        if subprocess.run(command, check=False).returncode == 0:
            return
        say("uv did not manage it; going on with pip")
    pip = [str(PYTHON), "-m", "pip", "install", "--no-compile", "--disable-pip-version-check", *extra]
    subprocess.run([*pip, *requirements], check=True, stdout=sys.stderr)


def _torch_source(backend: str) -> list[str]:
    """The index that has this backend's torch, unless a folder that pip is configured with has one."""
    for folder in _pip_setting("find-links"):
        if any(Path(folder).glob(f"torch-{TORCH}*")):
            say(f"torch {TORCH} comes from a folder that pip is configured with")
            return []
    url = TORCH_INDEX[backend]
    try:
        urllib.request.urlopen(f"{url}/torch/", timeout=INDEX_TIMEOUT).close()
    except OSError as error:
        say(f"PyTorch's index for {backend} does not answer ({error}); the usual index is used, its build is larger")
        return []
    return ["--extra-index-url", url]


def _uv() -> list[str]:
    """uv as a command, from the path or installed into the environment; empty when it cannot be had."""
    if os.environ.get("EASEL_INSTALLER") == "pip":
        return []
    if found := shutil.which("uv"):
        return [found]
    inside = PYTHON.with_name("uv.exe" if WINDOWS else "uv")
    if not inside.exists():
        command = [str(PYTHON), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check", "uv"]
        with _timed("getting uv, a quicker installer"), contextlib.suppress(OSError):
            subprocess.run(command, check=False, stdout=sys.stderr)
    return [str(inside)] if inside.exists() else []


def _uv_flags() -> list[str]:
    """What pip is configured with, in uv's words: uv does not read pip's settings."""
    flags = ["--index-strategy", "unsafe-best-match", "--no-sources"]
    for key, flag in (("find-links", "--find-links"), ("extra-index-url", "--extra-index-url")):
        flags += [part for value in _pip_setting(key) for part in (flag, value)]
    for value in _pip_setting("index-url"):
        flags += ["--index-url", value]
    return flags


def _pip_setting(key: str) -> list[str]:
    """A setting of pip from its files and the environment, split into its values."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    values: list[str] = []
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        if name.split(".")[-1] == key and name.split(".")[0] in ("global", "install", ":env:"):
            values += value.strip("'\"").replace("\\n", " ").split()
    return list(dict.fromkeys(values))


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    say(f"{what} …")
    yield
    say(f"{what}: {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """A lock of the operating system: it is free again when its holder dies."""
    path = ROOT / ".venv.lock"
    with path.open("a+b") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT
        waited = False
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise SystemExit("easel set-up: another set-up has been running for half an hour; end it first.")
            if not waited:
                say("another set-up is running; waiting for it")
            waited = True
            time.sleep(0.2)
        yield


def _try_lock(handle: int) -> bool:
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # pyright: ignore
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
