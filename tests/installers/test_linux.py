"""The Linux installers with a stand-in for the frozen program: installed, killed, updated, undone, removed; files validated."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from app.paths import ROOT
from app.versions import Versions

LINUX = ROOT / "installers" / "linux"
FILES = 60
PROGRAM = '#!/bin/sh\n[ "$1" = --version ] && exit {status}\necho "{name} $*"\n'
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="for Linux alone")


def module(name: str) -> ModuleType:
    sys.path.insert(0, str(LINUX))
    spec = importlib.util.spec_from_file_location(name, LINUX / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def bundle(folder: Path, name: str, status: int = 0) -> Path:
    """A folder that looks like a bundle and says its name."""
    made = folder / name / "easel"
    (made / "_internal").mkdir(parents=True)
    (made / "easel").write_text(PROGRAM.format(name=name, status=status))
    (made / "easel").chmod(0o755)
    (made / "LICENSES.txt").write_text("all of them")
    for number in range(FILES):
        (made / "_internal" / f"{number}.bin").write_bytes(os.urandom(5_000))
    return made


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the self-extracting file unpacks, for three versions; the last one does not start."""
    folder, run = tmp_path_factory.mktemp("stages"), module("make_run")
    found = {}
    for name, status in (("1.0", 0), ("1.1", 0), ("1.2", 1)):
        stage = folder / f"stage-{name}"
        run.fill(stage, bundle(folder, name, status))
        (stage / "version").write_text(name)
        found[name] = stage
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "a home with späces"
    (folder / ".local/share/easel").mkdir(parents=True)
    (folder / ".local/share/easel/mine").write_bytes(b"mine")
    yield folder
    assert (folder / ".local/share/easel/mine").read_bytes() == b"mine"


def start(home: Path, *words: str | Path) -> subprocess.Popen[str]:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.Popen(
        [str(word) for word in words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def run(home: Path, *words: str | Path) -> str:
    process = start(home, *words)
    out, problems = process.communicate(timeout=60)
    assert process.returncode == 0, problems
    return out


def test_installed_updated_undone_and_removed(home: Path, stages: dict[str, Path]) -> None:
    base = home / ".local/opt/easel"
    run(home, "sh", stages["1.0"] / "install.sh", "--no-start")
    assert run(home, home / ".local/bin/easel", "a b").strip() == "1.0 a b"
    entry = (home / ".local/share/applications/app.easel.Easel.desktop").read_text()
    assert f'Exec="{base}/easel" open %f' in entry
    run(home, "sh", stages["1.1"] / "install.sh", "--no-start")
    assert run(home, base / "easel").strip() == "1.1"
    assert Versions(base).undo() == "1.0"
    assert run(home, base / "easel").strip() == "1.0"
    shutil.rmtree(base / "versions" / "1.0")  # somebody tidied up too much: the other one is started
    assert run(home, base / "easel").strip() == "1.1"
    run(home, base / "uninstall")
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() or path.is_symlink()}
    assert left == {".local/share/easel/mine"}


def test_a_version_that_does_not_start_changes_nothing(home: Path, stages: dict[str, Path]) -> None:
    base = home / "elsewhere"
    run(home, "sh", stages["1.0"] / "install.sh", "--no-start", "--prefix", base)
    process = start(home, "sh", stages["1.2"] / "install.sh", "--no-start", "--prefix", base)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3 and "nothing was changed" in told
    assert Versions(base).names == ("1.0",)
    assert [path.name for path in (base / "versions").iterdir()] == ["1.0"]


def test_killed_at_any_moment_a_whole_version_is_left(home: Path, stages: dict[str, Path]) -> None:
    base = home / ".local/opt/easel"
    run(home, "sh", stages["1.0"] / "install.sh", "--no-start")
    chance, stopped = random.Random(3), 0
    for _ in range(15):
        process = start(home, "sh", stages["1.1"] / "install.sh", "--no-start")
        time.sleep(chance.uniform(0, 0.15))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        name = Versions(base).names[0]
        assert len(list((base / "versions" / name / "_internal").iterdir())) == FILES
        assert run(home, base / "easel").strip() == name.split("-")[0]
        stopped += name == "1.0"
        Versions(base).use("1.0")
    assert stopped, "no kill came in time, so this has shown nothing"
    run(home, "sh", stages["1.1"] / "install.sh", "--no-start")
    assert len(list((base / "versions").iterdir())) <= 3


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_the_package_holds_what_a_desktop_needs(tmp_path: Path) -> None:
    deb = module("make_deb")
    assert deb.main(bundle(tmp_path, "1.0"), tmp_path / "out") == 0
    made = next((tmp_path / "out").glob("*.deb"))
    listed = subprocess.run(["dpkg-deb", "--contents", made], capture_output=True, text=True, check=True).stdout
    for path in (
        "usr/bin/easel -> ../lib/easel/easel",
        "usr/lib/easel/_internal/",
        "usr/share/applications/app.easel.Easel.desktop",
        "usr/share/metainfo/app.easel.Easel.metainfo.xml",
        "usr/share/mime/packages/app.easel.Easel.xml",
        "usr/share/icons/hicolor/scalable/apps/app.easel.Easel.svg",
        "usr/share/doc/easel/copyright",
    ):
        assert path in listed, path
    fields = subprocess.run(["dpkg-deb", "--field", made], capture_output=True, text=True, check=True).stdout
    assert "Package: easel" in fields and "libc6 (>= " in fields
    script = subprocess.run(["dpkg-deb", "--ctrl-tarfile", made], capture_output=True, check=True).stdout
    assert b"postrm" in script and b"/home" not in script


def test_the_desktops_own_tools_find_nothing_wrong(tmp_path: Path) -> None:
    shared = module("shared")
    checks = {
        "desktop": ["desktop-file-validate"],
        "metainfo.xml": ["appstreamcli", "validate", "--no-net"],
        "mime.xml": ["xmllint", "--noout"],
    }
    tried = 0
    for kind, command in checks.items():
        file = tmp_path / f"{shared.ID}.{kind}"
        shared.fill_in(file.name, file)
        assert "@" not in file.read_text()
        if shutil.which(command[0]):
            tried += 1
            done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    if not tried:
        pytest.skip("none of the desktop's tools is installed")
