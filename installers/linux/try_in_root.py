"""Try both Linux installers in a clean root folder without Python: installed, used, updated, undone, removed.

    installers/linux/try_in_root.py ROOT --deb FILE --run FILE [--screenshots FOLDER]

Needs root's rights, debootstrap, Xvfb and a Debian mirror. ROOT is made when it is not there, and used again when it is.
Everything is done in there by a user `tester`; the screen is one without a viewer, outside of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
SMOKE = HERE.parent.parent / "packaging" / "smoke.py"
MIRROR = os.environ.get("EASEL_DEBIAN_MIRROR", "http://deb.debian.org/debian")
USER, HOME = "tester", "home/tester"
# What every desktop has and the smallest Debian has not: a program that opens files, letters to write with.
DESKTOP = ("xdg-utils", "desktop-file-utils", "shared-mime-info", "fonts-dejavu-core", "ca-certificates")
MOUNTED = ("proc", "dev")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def main() -> int:
    """Try them; returns the exit status."""
    parser = argparse.ArgumentParser(description="Try the Linux installers in a clean root folder.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--deb", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--quick", action="store_true", help="without the self-test of every family")
    arguments = parser.parse_args()
    root = arguments.root.absolute()
    make_root(root)
    try:
        return try_all(root, arguments)
    finally:
        for name in MOUNTED:
            subprocess.run(["umount", "--recursive", "--lazy", str(root / name)], check=False)


def try_all(root: Path, arguments: argparse.Namespace) -> int:
    """Both, as far as they are named."""
    # Chromium's sandbox makes a namespace for its user, which the kernel refuses to whoever is in a chroot.
    os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
    if arguments.deb:
        try_deb(root, arguments.deb.absolute(), arguments.screenshots, arguments.quick)
    if arguments.run:
        try_run(root, arguments.run.absolute(), arguments.screenshots, arguments.quick)
    return 0


def make_root(root: Path) -> None:
    """A Debian of the smallest kind, with a user and without Python."""
    if not (root / "usr/bin/apt-get").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root), MIRROR], check=True)
    if not (root / HOME).is_dir():
        inside(root, "apt-get", "update", "-q")
        inside(root, "apt-get", "install", "-q", "-y", "--no-install-recommends", *DESKTOP)
        inside(root, "useradd", "--create-home", USER)
    for name in MOUNTED:
        subprocess.run(["mount", "--rbind", f"/{name}", str(root / name)], check=True)
        # Or taking it away again would take it away from everybody.
        subprocess.run(["mount", "--make-rslave", str(root / name)], check=True)
    if list((root / "usr" / "bin").glob("python*")):
        raise SystemExit("there is a Python in the root folder, so this would show nothing")


def inside(root: Path, *words: str, user: str = "") -> str:
    """Run a command in the root folder; returns what it printed."""
    owner = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    home = f"/home/{user}" if user else "/root"
    variables = [f"{name}={value}" for name, value in {"HOME": home, "PATH": os.environ["PATH"], **QUIET}.items()]
    command = ["chroot", str(root), *owner, "env", "-i", *variables, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} left with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def files(root: Path) -> set[str]:
    """Every file of the system and of the user, to see what stays behind."""
    found: set[str] = set()
    for top in ("etc", "opt", "usr", "home"):
        for folder, _, names in os.walk(root / top):
            found |= {str(Path(folder, name).relative_to(root)) for name in names}
    return found


def traces(before: set[str], root: Path) -> Iterator[str]:
    """What is there now and was not before, but for lists and caches that the system makes by itself."""
    made = (
        "mimeinfo.cache",
        "icon-theme.cache",
        "/mime/",
        "ld.so.cache",
        ".cache/fontconfig",
        ".cache/mesa_shader_cache",
        "/qtshadercache",
        "/.pki/",
        "/share/mime/",
    )
    yield from (name for name in sorted(files(root) - before) if not any(part in name for part in made))


def put_data(root: Path) -> dict[Path, bytes]:
    """Something of the user's own, which has to be there afterwards byte for byte."""
    data = {
        root / HOME / ".local/share/easel/presets/text-to-image/mine.yaml": b"schema_version: 2\n",
        root / HOME / ".config/easel/settings.json": b'{"schema_version": 1}\n',
        root / HOME / "Pictures/Easel/mine.png": b"\x89PNG",
    }
    for path, content in data.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    inside(root, "chown", "-R", f"{USER}:{USER}", f"/{HOME}")
    return data


def smoke(root: Path, program: str, screenshot: Path | None, quick: bool) -> None:
    """The smoke test of the bundle, in there."""
    command = [sys.executable, str(SMOKE), program, "--root", str(root), "--user", USER]
    shot = ["--screenshot", str(screenshot)] if screenshot else []
    short = ["--no-self-test"] if quick else []
    if subprocess.run([*command, *shot, *short], check=False).returncode:
        raise SystemExit(f"{program} did not pass its smoke test in {root}")


def try_deb(root: Path, deb: Path, screenshots: Path | None, quick: bool) -> None:
    """The Debian package, with what it depends on."""
    name = "easel.deb"
    shutil.copyfile(deb, root / "tmp" / name)
    depends = [word.split("(")[0].strip() for word in _field(deb, "Depends").split(",")]
    started = time.monotonic()
    inside(root, "apt-get", "install", "-q", "-y", "--no-install-recommends", *depends)
    before, data = files(root), put_data(root)
    dependencies = time.monotonic() - started
    started = time.monotonic()
    inside(root, "dpkg", "-i", f"/tmp/{name}")
    print(
        f"ok   deb installed in {time.monotonic() - started:.1f} s (what it depends on: {dependencies:.1f} s)",
        flush=True,
    )
    default = inside(root, "xdg-mime", "query", "default", "application/x-easel-preset", user=USER).strip()
    if default != "app.easel.Easel.desktop":
        raise SystemExit(f"a preset is opened by {default!r}")
    smoke(root, "/usr/bin/easel", screenshots / "deb.png" if screenshots else None, quick)
    for action in ("--remove", "--purge"):
        inside(root, "dpkg", action, "easel")
    _check_gone("deb", root, before | {str(path.relative_to(root)) for path in data}, data)


def try_run(root: Path, run: Path, screenshots: Path | None, quick: bool) -> None:
    """The file that installs for one person, twice, as an update is."""
    before, data = files(root), put_data(root)
    place = root / HOME / "Downloads"
    place.mkdir(exist_ok=True)
    shutil.copyfile(run, place / "easel.run")
    inside(root, "chown", "-R", f"{USER}:{USER}", f"/{HOME}/Downloads")
    command = ("sh", f"/{HOME}/Downloads/easel.run", "--", "--no-start")
    started = time.monotonic()
    inside(root, *command, user=USER)
    print(f"ok   run installed in {time.monotonic() - started:.1f} s", flush=True)
    base = root / HOME / ".local/opt/easel"
    smoke(root, f"/{HOME}/.local/bin/easel", screenshots / "run.png" if screenshots else None, quick)
    inside(root, *command, user=USER)
    first, second = (base / "current").read_text().split()
    inside(root, f"/{HOME}/.local/bin/easel", "rollback", user=USER)
    if (base / "current").read_text().split() != [second, first]:
        raise SystemExit(f"after a rollback `current` says {(base / 'current').read_text()!r}")
    print(f"ok   run installed again as {first}, rolled back to {second}", flush=True)
    inside(root, f"/{HOME}/.local/opt/easel/uninstall", user=USER)
    shutil.rmtree(place)
    _check_gone("run", root, before | {str(path.relative_to(root)) for path in data}, data)


def _check_gone(what: str, root: Path, before: set[str], data: dict[Path, bytes]) -> None:
    changed = [str(path) for path, content in data.items() if path.read_bytes() != content]
    left = list(traces(before, root))
    if changed or left:
        raise SystemExit(f"{what}: changed {changed}, left behind {left}")
    print(f"ok   {what} removed; nothing left but the person's own, byte for byte", flush=True)


def _field(deb: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "--field", str(deb), name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
