"""`tools/update` on a small stand-in clone: the new version comes beside, is tried, and a kill changes nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.paths import ROOT
from app.versions import Versions

INSTALL = """#!/bin/sh
# Stands in for the real set-up: an environment whose Python says which version it is of.
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
mkdir -p "$root/.venv/bin"
sleep 0.1
cp "$root/python" "$root/.venv/bin/python"
touch "$root/.venv/easel-ready"
"""
PYTHON = "#!/bin/sh\necho {name}\nexit {status}\n"
Publish = Callable[..., None]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Makes a new version in the place that the clone was cloned from."""
    origin = tmp_path / "origin"
    (origin / "tools").mkdir(parents=True)
    git(origin, "init", "--quiet")

    def version(name: str, status: int = 0) -> None:
        (origin / "tools" / "install").write_text(INSTALL)
        shutil.copy(ROOT / "tools" / "run-cmd", origin / "tools" / "run-cmd")
        (origin / "python").write_text(PYTHON.format(name=name, status=status))
        (origin / "pyproject.toml").write_text("")
        for path in (origin / "tools" / "install", origin / "python"):
            path.chmod(0o755)
        git(origin, "add", "-A")
        git(origin, "commit", "--quiet", "-m", f"version {name}")

    return version


@pytest.fixture
def clone(tmp_path: Path, publish: Publish) -> Path:
    publish("one")
    git(tmp_path, "clone", "--quiet", "origin", "clone")
    folder = tmp_path / "clone"
    # The stamp has to be newer than pyproject.toml, or every start sets the environment up again.
    os.utime(folder / "pyproject.toml", (1, 1))
    subprocess.run([folder / "tools" / "install"], check=True)
    return folder


def start_update(clone: Path) -> subprocess.Popen[str]:
    code = f"import update; from pathlib import Path; raise SystemExit(update.update(Path({str(clone)!r}), False))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def says(clone: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "EASEL_BACKEND"}
    done = subprocess.run([clone / "tools" / "run-cmd"], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_the_new_version_is_used_and_can_be_undone(clone: Path, publish: Publish) -> None:
    assert says(clone) == "one"
    publish("two")
    assert says(clone) == "one"
    process = start_update(clone)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0 and "version two" in told
    assert says(clone) == "two"
    versions = Versions(clone / ".easel")
    assert versions.undo() == "clone" and says(clone) == "one"
    versions.undo()
    assert says(clone) == "two"
    _, told = start_update(clone).communicate(timeout=60)
    assert "newest" in told


def test_a_version_that_does_not_start_is_never_used(clone: Path, publish: Publish) -> None:
    publish("broken", status=1)
    process = start_update(clone)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert says(clone) == "one"


def test_killed_at_any_moment_the_old_version_works(clone: Path, publish: Publish) -> None:
    publish("two")
    chance = random.Random(4)
    seen = set()
    for _ in range(12):
        process = start_update(clone)
        time.sleep(chance.uniform(0.02, 0.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        seen.add(says(clone))
        assert seen <= {"one", "two"}
    assert "one" in seen, "no kill came in time, so this has shown nothing"
    process = start_update(clone)
    process.communicate(timeout=60)
    assert process.returncode == 0 and says(clone) == "two"
