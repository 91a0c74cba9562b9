"""Try a finished bundle as a person would: `packaging/smoke dist/cpu/easel [--screenshot FILE] [--root FOLDER --user NAME]`.

Help, doctor, self-test, a picture twice, a clip, the debug report, portable mode, and the window opened and closed on a screen
without a viewer. With `--root` the program is run inside that root folder, where there is no Python: BUNDLE is then the path
of the program in there. Standard library only; each step says how long it took, the first that fails ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from measure_start import screen  # noqa: E402 - the path above comes first

WINDOWS = os.name == "nt"
PATIENCE = 600  # seconds for one command; a self-test takes half a minute, many times that on a busy machine
PAGE_PATIENCE = 90
USABLE = "page usable"
PNG = b"\x89PNG\r\n\x1a\n"
MATROSKA = b"\x1a\x45\xdf\xa3"


class Failed(Exception):
    """A step did not do what it should."""


class Bundle:
    """A program to try, with a folder for everything that it writes."""

    def __init__(self, program: str, home: Path, root: Path | None = None, user: str = "") -> None:
        self.program, self.home, self.root, self.user = program, home, root, user

    def words(self, *arguments: str, home: bool = True) -> list[str]:
        """The command line."""
        own = {"EASEL_HOME": self.inside(self.home)} if home else {}
        if self.root is None:
            return [self.program, *arguments]
        owner = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if self.user else []
        kept = {name: os.environ[name] for name in ("DISPLAY", "QTWEBENGINE_DISABLE_SANDBOX") if name in os.environ}
        values = {"HOME": f"/home/{self.user}", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **kept, **own}
        variables = [f"{name}={value}" for name, value in values.items()]
        return ["chroot", str(self.root), *owner, "env", "-i", *variables, self.program, *arguments]

    def environment(self, home: bool = True) -> dict[str, str]:
        """The variables for a program that runs outside of a root: nothing of ours may help it."""
        names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "EASEL_HOME", "LD_LIBRARY_PATH")
        rest = {name: value for name, value in os.environ.items() if name not in names}
        return rest | ({"EASEL_HOME": str(self.home)} if home else {})

    def inside(self, path: Path) -> str:
        """The path as the program sees it."""
        return f"/{path.relative_to(self.root)}" if self.root else str(path)

    def run(self, *arguments: str, home: bool = True) -> str:
        """Run to the end and return what it printed. Raises `Failed`."""
        done = subprocess.run(
            self.words(*arguments, home=home),
            env=self.environment(home),
            cwd=self.home,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"easel {' '.join(arguments)} left with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def main() -> int:
    """Run the steps; returns the exit status."""
    parser = argparse.ArgumentParser(prog="smoke", description="Try a finished bundle.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder, or its program")
    parser.add_argument("--screenshot", type=Path, help="keep a picture of the window")
    parser.add_argument("--root", type=Path, help="run inside this root folder")
    parser.add_argument("--user", default="", help="as this user of the root folder")
    parser.add_argument("--no-window", action="store_true")
    parser.add_argument("--no-self-test", action="store_true")
    arguments = parser.parse_args()
    with home_folder(arguments.root, arguments.user) as home:
        bundle = Bundle(_program(arguments.bundle, arguments.root), home, arguments.root, arguments.user)
        try:
            for name, step in steps(bundle, arguments):
                started = time.monotonic()
                told = step()
                print(f"ok   {name:<12} {time.monotonic() - started:6.1f} s  {told}", flush=True)
        except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as error:
            print(f"FAIL {error}", flush=True)
            for log in sorted((home / "logs").glob("*.log")):
                print(f"--- the end of {log.name}\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
            return 1
    return 0


def steps(bundle: Bundle, arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[], str]]]:
    """The steps by name, in the order of how quickly they say something."""
    yield "help", lambda: bundle.run("--help").splitlines()[0]
    yield "version", lambda: bundle.run("--version").strip()
    yield "doctor", lambda: doctor(bundle)
    if arguments.root is None:
        yield "portable", lambda: portable(bundle)
    yield "picture", lambda: picture(bundle)
    yield "clip", lambda: clip(bundle)
    if not arguments.no_self_test:
        yield "self-test", lambda: self_test(bundle)
    if not arguments.no_window:
        yield "window", lambda: window(bundle, arguments.screenshot)
    yield "report", lambda: report(bundle)


def doctor(bundle: Bundle) -> str:
    """No finding may be a failure."""
    findings = json.loads(bundle.run("doctor", "--json"))["findings"]
    if bad := [each for each in findings if each["verdict"] == "fail"]:
        raise Failed(f"the doctor says {bad}")
    return f"{len(findings)} findings"


def portable(bundle: Bundle) -> str:
    """With a folder `portable` beside the program, everything lies in it."""
    folder = Path(bundle.program).parent / "portable"
    folder.mkdir()
    try:
        places = json.loads(bundle.run("paths", "--json", home=False))
        outside = [name for name, path in places.items() if not Path(path).is_relative_to(folder)]
    finally:
        shutil.rmtree(folder)
    if outside:
        raise Failed(f"outside of the portable folder: {outside}")
    return f"{len(places)} places below it"


def picture(bundle: Bundle) -> str:
    """The starter model makes a picture without a network, and the same one again."""
    made = []
    for name in ("first.png", "second.png"):
        file = bundle.home / name
        bundle.run("generate", "a red apple", "--seed", "3", "--set", "steps=8", "--out", bundle.inside(file))
        made.append(file.read_bytes())
    if not made[0].startswith(PNG) or made[0] != made[1]:
        raise Failed("the two pictures are not the same PNG file")
    return f"{len(made[0])} bytes, twice the same"


def clip(bundle: Bundle) -> str:
    """The starter model for videos makes a clip."""
    file = bundle.home / "clip.webm"
    words = ("a fox jumping", "--task", "text-to-video", "--seed", "3", "--set", "steps=2")
    bundle.run("generate", *words, "--out", bundle.inside(file))
    made = file.read_bytes()
    if not made.startswith(MATROSKA):
        raise Failed("the clip is not a WebM file")
    return f"{len(made)} bytes"


def self_test(bundle: Bundle) -> str:
    """Every family and task."""
    results = json.loads(bundle.run("self-test", "--json"))["results"]
    return f"{len(results)} of families and tasks"


def report(bundle: Bundle) -> str:
    """The debug report is a zip file with what it should hold."""
    file = bundle.home / "report.zip"
    bundle.run("export-debug", "--yes", "--out", bundle.inside(file))
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        facts = json.loads(archive.read("environment.json"))
        damaged = archive.testzip()
    if damaged is not None or not facts["frozen"]:
        raise Failed("the report is damaged, or does not say that Easel is frozen")
    return ", ".join(names)


def window(bundle: Bundle, screenshot: Path | None) -> str:
    """Opened until its page can be used, then closed; nothing stays behind."""
    log = bundle.home / "logs" / "easel.log"
    log.unlink(missing_ok=True)
    with contextlib.nullcontext() if WINDOWS else screen():
        flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {}
        started = time.monotonic()
        process = subprocess.Popen(bundle.words(), env=bundle.environment(), cwd=bundle.home, **flags)
        try:
            _wait_for(log, process)
            usable = time.monotonic() - started
            time.sleep(2)  # for the last paint
            if screenshot is not None:
                _photograph(screenshot)
        finally:
            _close(process)
    if process.returncode not in (0, -signal.SIGTERM):
        raise Failed(f"the window left with {process.returncode}")
    return f"usable after {usable:.1f} s, closed"


def _wait_for(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PAGE_PATIENCE
    while time.monotonic() < deadline:
        if log.exists() and USABLE in log.read_text(encoding="utf-8", errors="replace"):
            return
        if process.poll() is not None:
            raise Failed(f"the window left with {process.returncode} before its page was there")
        time.sleep(0.1)
    raise Failed(f"the page was not usable after {PAGE_PATIENCE} s")


def _photograph(file: Path) -> None:
    program = shutil.which("import")
    if program is None or WINDOWS:
        print("     no picture of the window: ImageMagick's import is not here")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([program, "-window", "root", str(file)], check=True, timeout=30)


def _close(process: subprocess.Popen[bytes]) -> None:
    if WINDOWS:  # without /F it asks the window, as a click on its cross does
        subprocess.run(["taskkill", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise Failed("the window did not close") from error


def _program(given: Path, root: Path | None) -> str:
    if root is not None:
        return str(given)
    return str((given / ("easel.exe" if WINDOWS else "easel") if given.is_dir() else given).absolute())


@contextlib.contextmanager
def home_folder(root: Path | None, user: str) -> Iterator[Path]:
    """A folder for everything that the program writes, of the user's own inside a root."""
    place = root / "home" / user if root is not None else None
    with tempfile.TemporaryDirectory(prefix="easel smoke ", dir=place) as name:
        folder = Path(name)
        if place is not None:
            os.chown(folder, place.stat().st_uid, place.stat().st_gid)
        yield folder


if __name__ == "__main__":
    sys.exit(main())
