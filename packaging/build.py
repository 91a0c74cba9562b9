"""Make the bundle for one backend: a clean environment, PyInstaller, and a report of sizes, parts and licences.

    packaging/build cpu                    the bundle in dist/cpu/easel, the reports beside it
    packaging/build cuda --resolve         only find out which packages it would consist of

Standard library only. Nothing is fetched but packages, from the registries that pip is configured with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "packaging")]

from environment_backend import TORCH_INDEX  # noqa: E402 - the path above comes first
from environment_packages import (  # noqa: E402
    find_uv,
    has_torch,
    install,
    pip_settings,
    torch_source,
    uv_environment,
    uv_flags,
    wanted_packages,
)

SOURCES = ("app", "engines", "packaging", "presets", "resources", "LICENSE", "NOTICE")
PYINSTALLER = "pyinstaller==6.22.*"


def main() -> int:
    """Build; returns the exit status."""
    parser = argparse.ArgumentParser(prog="build", description="Make the bundle for one backend.")
    parser.add_argument("backend", choices=sorted(TORCH_INDEX))
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="where the bundle goes, in a folder of its backend"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "build", help="the environment and PyInstaller's own files")
    parser.add_argument(
        "--resolve", action="store_true", help="only list the packages that the bundle would consist of"
    )
    arguments = parser.parse_args()
    work = arguments.work.absolute() / arguments.backend
    started = time.monotonic()
    python = environment(work / "env", arguments.backend)
    if arguments.resolve:
        return resolve(python, arguments.backend)
    python_ready = time.monotonic()
    out = arguments.out.absolute() / arguments.backend
    freeze(python, arguments.backend, out, work)
    frozen = time.monotonic()
    seconds = {"environment": round(python_ready - started, 1), "freeze": round(frozen - python_ready, 1)}
    (out / "build.json").write_text(json.dumps({"backend": arguments.backend, "seconds": seconds}, indent=1) + "\n")
    for script in ("sizes.py", "parts.py"):
        subprocess.run([str(python), str(ROOT / "packaging" / script), str(out / "easel"), str(out)], check=True)
    say(f"{out / 'easel'} is ready: environment {seconds['environment']} s, freezing {seconds['freeze']} s")
    return 0


def say(text: str) -> None:
    """One line for whoever waits."""
    print(f"easel build: {text}", file=sys.stderr, flush=True)


def environment(folder: Path, backend: str) -> Path:
    """The Python of an environment with nothing in it but what the bundle needs; kept while the wishes stay the same."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = [*wanted_packages(ROOT, backend, False), PYINSTALLER]
    wanted = hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()
    stamp = folder / "easel-build"
    if python.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    if "--resolve" not in sys.argv:
        say(f"installed with {install(python, packages, backend, say)}")
        stamp.write_text(wanted)
    return python


def resolve(python: Path, backend: str) -> int:
    """Ask uv which packages the bundle would consist of, without fetching them."""
    settings = pip_settings(python)
    uv = find_uv(python, say)
    if not uv:
        say("this needs uv, and it cannot be had")
        return 3
    if not has_torch(settings.get("find-links", ()), backend):
        settings.pop("find-links", None)  # a folder with another backend's torch would be taken for ours
    wishes = "\n".join(wanted_packages(ROOT, backend, False)).encode()
    # Only the wheels of Linux and Windows on x86-64 are asked for: that is what bundles are made for.
    command = [*uv, "pip", "compile", "--python", str(python), "--no-header", "--no-annotate", *uv_flags(settings)]
    command += [*torch_source(backend, settings, say), "-"]
    return subprocess.run(command, input=wishes, env=uv_environment(settings), check=False).returncode


def snapshot(folder: Path) -> Path:
    """A copy of the sources to build from: whoever goes on working meanwhile must not get half of two states into a bundle."""
    shutil.rmtree(folder, ignore_errors=True)
    leave = shutil.ignore_patterns("__pycache__", "screenshots")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def freeze(python: Path, backend: str, out: Path, work: Path) -> None:
    """Run PyInstaller on the backend's spec."""
    source = snapshot(work / "source")
    command = [str(python), "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    places = ["--distpath", str(out), "--workpath", str(work / "pyinstaller")]
    # Imports are made while the lists are put together: nothing may look for a network or for a card.
    quiet = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GRADIO_ANALYTICS_ENABLED": "False"}
    spec = str(source / "packaging" / f"{backend}.spec")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | quiet
    subprocess.run([*command, *places, spec], check=True, env=environ)


if __name__ == "__main__":
    sys.exit(main())
