"""The checks and the tests, in the order of how quickly they say something; pytest's summary comes last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# Programs that some tests compare with; those tests say so and are left out where the programs cannot be had.
SYSTEM_PACKAGES = {
    "exiftool": ("libimage-exiftool-perl",),
    "chromium": ("chromium",),
    "ffprobe": ("ffmpeg",),
    "xvfb-run": ("xvfb", "xauth"),  # a screen without a viewer
}
# What Qt's X11 plugin and its browser need of the system; a window that lacks one of them ends the whole test run.
SYSTEM_LIBRARIES = {
    "xcb-cursor": "libxcb-cursor0",
    "xcb-icccm": "libxcb-icccm4",
    "xcb-keysyms": "libxcb-keysyms1",
    "EGL": "libegl1",
    "GL": "libgl1",
    "nss3": "libnss3",
}
CHECKS = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"], ["pyright"])


def main(arguments: list[str]) -> int:
    """Run everything; returns 0 when all is well."""
    install_system_packages()
    everything = "--all" in arguments
    rest = [argument for argument in arguments if argument != "--all"]
    failed = [" ".join(check) for check in CHECKS if run([str(BIN / check[0]), *check[1:]])]
    print(f"failed, see above: {', '.join(failed)}" if failed else "all checks are well", flush=True)
    selection = [] if everything else ["-m", "not long"]
    # Two files at a time: half of the tests wait for other processes. The long sets measure, and run alone.
    together = [] if everything else ["-n", "2", "--dist", "loadfile"]
    tests = run([*screen(), sys.executable, "-m", "pytest", *selection, *together, *rest])
    return tests or int(bool(failed))


def screen() -> list[str]:
    """What gives the tests of the window a screen where there is none."""
    alone = sys.platform == "linux" and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY")
    return ["xvfb-run", "-a"] if alone and shutil.which("xvfb-run") else []


def run(command: list[str]) -> int:
    """Run in the project's folder with the tests' environment; returns the exit status."""
    print(f"$ {' '.join([Path(command[0]).name, *command[1:]])}", flush=True)
    # One thread: tiny models spin at the barriers of many, and two cores are shared with the tests' own processes.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    environment.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # many tests start new processes; compiling torch each time is slow
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def install_system_packages() -> None:
    """Where it may (as root or with sudo, and apt); says so where it may not."""
    missing = [
        package for program, packages in SYSTEM_PACKAGES.items() if not shutil.which(program) for package in packages
    ]
    if sys.platform == "linux":
        missing += [package for library, package in SYSTEM_LIBRARIES.items() if not find_library(library)]
    if not missing:
        return
    root = os.name == "posix" and os.geteuid() == 0
    if not shutil.which("apt-get") or not (root or shutil.which("sudo")):
        print(f"not installed, some tests will be left out: {', '.join(missing)}", flush=True)
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "-q", "update"],
        ["apt-get", "-q", "-y", "install", "--no-install-recommends", *missing],
    ):
        subprocess.run(
            [*([] if root else ["sudo", "-n"]), *command], env=environment, stdout=subprocess.DEVNULL, check=False
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
