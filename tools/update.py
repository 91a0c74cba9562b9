"""Bring a clone up to date: the new version gets a folder and an environment of its own, and is used once it works.

Standard library only. The clone's own files are not touched, so an update that is stopped or killed at any moment leaves the
version that was used before as it was; `easel rollback` goes back to it. Settings, presets, models and pictures lie
elsewhere and are shared by all versions.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.versions import CLONE, Versions  # noqa: E402 - the path above comes first

WINDOWS = os.name == "nt"
BROKEN, UNSUITABLE, STOPPED = 3, 2, 130


class CannotUpdate(Exception):
    """A reason in plain words."""


def say(text: str) -> None:
    """One line for the person, at once."""
    print(f"easel update: {text}", file=sys.stderr, flush=True)


def main(given: list[str]) -> int:
    """Update; returns the exit status."""
    parser = argparse.ArgumentParser(prog="update", description="Bring Easel up to date.")
    parser.add_argument("--check", action="store_true", help="only say whether there is a newer version")
    arguments = parser.parse_args(given)
    try:
        return update(ROOT, arguments.check)
    except CannotUpdate as error:
        say(str(error))
        return UNSUITABLE
    except KeyboardInterrupt:
        say("stopped; the version that you had is used as before.")
        return STOPPED
    except (subprocess.CalledProcessError, OSError) as error:
        say(f"it did not work: {error}. The version that you had is used as before.")
        return BROKEN


def update(root: Path, only_check: bool) -> int:
    """Fetch, prepare beside, try, and only then switch."""
    if not (root / ".git").exists():
        raise CannotUpdate(f"{root} is not a clone; get a new archive instead.")
    git(root, "fetch", "--quiet")
    wanted = git(root, "rev-parse", "--short=12", "@{upstream}")
    versions = Versions(root / ".easel")
    in_use = versions.names[0] if versions.names else CLONE
    here = git(root, "rev-parse", "--short=12", "HEAD") if in_use == CLONE else in_use
    if here.startswith(wanted):
        say(f"{wanted} is the newest version, and you have it.")
        return 0
    news = git(root, "log", "--format=  %s", "-15", f"{here.split('-')[0]}..{wanted}")
    say(f"there is a newer version, {wanted}:\n{news}")
    if only_check:
        return 0
    if not versions.names:
        versions.use(CLONE)  # so that there is something to go back to
    folder = versions.room(wanted)
    unpack(root, wanted, folder)
    prepare(folder)
    versions.use(folder.name)
    say(f"{folder.name} is used from the next start on; `./tools/run-cmd rollback` goes back.")
    return 0


def git(root: Path, *words: str) -> str:
    """What git prints. Raises `CannotUpdate` with git's own reason."""
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotUpdate(f"git {words[0]} says: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def unpack(root: Path, commit: str, folder: Path) -> None:
    """The commit's files, as an archive of them would be."""
    archive = ["git", "-C", str(root), "archive", "--format=tar", commit]
    with (
        subprocess.Popen(archive, stdout=subprocess.PIPE) as sending,
        tarfile.open(fileobj=sending.stdout, mode="r|") as tar,
    ):
        tar.extractall(folder, filter="data")
    if sending.returncode:
        raise CannotUpdate(f"git archive left with {sending.returncode}")


def prepare(folder: Path) -> None:
    """The new version's own environment, and a first word from it: a version that does not start is never used."""
    suffix = ".bat" if WINDOWS else ""
    for name, *words in (["install"], ["run-cmd", "--version"]):
        subprocess.run([str(folder / "tools" / f"{name}{suffix}"), *words], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
