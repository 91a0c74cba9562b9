"""The Windows installer under wine, with a stand-in for the frozen program: installed, updated, killed, removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.paths import ROOT
from app.versions import Versions

sys.path.insert(0, str(ROOT / "installers" / "windows"))

from make_installer import make, nsis

WINE = next((path for path in ("/usr/lib/wine/wine64", "/usr/bin/wine64") if Path(path).exists()), None)
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(WINE is None or shutil.which("makensis") is None, reason="needs wine64 and makensis"),
]
FILES = 200
PATIENCE = 60


class Windows:
    """A Windows of wine's, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "prefix"
        self.environment = {**os.environ, "WINEPREFIX": str(self.prefix), "WINEDEBUG": "-all", "DISPLAY": ""}
        # Wine would carry the shortcuts over to this system's own menu.
        self.environment["WINEDLLOVERRIDES"] = "winemenubuilder.exe=d"
        self.run("wineboot", "--init")
        self.user = next(path for path in (self.prefix / "drive_c" / "users").iterdir() if path.name != "Public")
        self.local = self.user / "AppData" / "Local"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([str(WINE), *words], env=self.environment, stderr=subprocess.DEVNULL)

    def run(self, *words: str) -> int:
        return self.start(*words).wait(PATIENCE)

    def registry(self) -> str:
        self.settle()
        return (self.prefix / "user.reg").read_text(encoding="utf-8", errors="replace")

    def settle(self) -> None:
        """Until the registry is written: wine keeps it in memory for as long as a program runs."""
        subprocess.run([str(wineserver()), "-w"], env=self.environment, timeout=PATIENCE, check=False)


def wineserver() -> str | None:
    return next(
        (path for path in ("/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver") if Path(path).exists()), None
    )


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Windows]:
    system = Windows(tmp_path_factory.mktemp("wine"))
    yield system
    subprocess.run([str(wineserver()), "-k"], env=system.environment, check=False)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Installers of three versions; the last one does not start."""
    folder = tmp_path_factory.mktemp("installers")
    made = {}
    for name, status in (("1.0.0", 0), ("1.1.0", 0), ("1.2.0", 3)):
        payload = folder / name
        (payload / "_internal" / "größe").mkdir(parents=True)
        nsis("stand_in.nsi", OUTPUT=payload / "easel.exe", STATUS=status)
        for number in range(FILES):
            (payload / "_internal" / "größe" / f"{number}.bin").write_bytes(os.urandom(20_000))
        made[name] = make(payload, folder, name)
    return made


def whole(base: Path, name: str) -> bool:
    return len(list((base / "versions" / name / "_internal" / "größe").glob("*.bin"))) == FILES


def soon(what: object) -> bool:
    """Whether it comes true: an installer's last words come after it has returned."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if what():  # pyright: ignore
            return True
        time.sleep(0.2)
    return False


def test_installed_updated_undone_and_removed(windows: Windows, setup: dict[str, Path]) -> None:
    base = windows.local / "Programs" / "Easel"
    assert windows.run(str(setup["1.0.0"]), "/S") == 0
    assert Versions(base).names == ("1.0.0",) and whole(base, "1.0.0")
    links = (
        windows.user / "AppData" / "Roaming" / "Microsoft" / "Windows" / "Start Menu" / "Programs" / "Easel.lnk",
        windows.user / "Desktop" / "Easel.lnk",
    )
    assert all(link.is_file() for link in links)
    registry = windows.registry()
    assert '"DisplayName"="Easel"' in registry and "Easel.Preset" in registry and '"WebView2"="missing"' in registry

    assert windows.run(str(setup["1.1.0"]), "/S") == 0
    assert Versions(base).names == ("1.1.0", "1.0.0")
    windows.run(str(base / "Easel.exe"), "open", "a b.easel")
    started = base / "versions" / "1.1.0" / "started.txt"
    assert soon(started.is_file) and started.read_text() == 'open "a b.easel"'

    assert Versions(base).undo() == "1.0.0"  # what `easel rollback` does
    windows.run(str(base / "Easel.exe"))
    assert soon((base / "versions" / "1.0.0" / "started.txt").is_file)

    data = windows.local / "easel" / "data.sqlite3"
    data.parent.mkdir(parents=True)
    data.write_bytes(b"mine")
    windows.run(str(base / "uninstall.exe"), "/S")
    assert soon(lambda: not base.exists())
    assert data.read_bytes() == b"mine"
    assert not any(link.exists() for link in links)
    assert "Easel" not in windows.registry()


def test_a_version_that_does_not_start_changes_nothing(windows: Windows, setup: dict[str, Path]) -> None:
    base = windows.user / "My Easel"
    words = ("/S", "/NODESKTOP", *f"/D=C:\\users\\{windows.user.name}\\My Easel".split(" "))
    assert windows.run(str(setup["1.0.0"]), *words) == 0
    assert not (windows.user / "Desktop" / "Easel.lnk").exists()
    assert windows.run(str(setup["1.2.0"]), *words) != 0
    assert Versions(base).names == ("1.0.0",)
    assert [path.name for path in (base / "versions").iterdir()] == ["1.0.0"]


def test_an_update_killed_half_way_leaves_the_old_version(windows: Windows, setup: dict[str, Path]) -> None:
    base = windows.user / "Killed Easel"
    words = ("/S", *f"/D=C:\\users\\{windows.user.name}\\Killed Easel".split(" "))
    assert windows.run(str(setup["1.0.0"]), *words) == 0
    stopped = 0
    for wait in (0.0, 0.1):
        update = windows.start(str(setup["1.1.0"]), *words)
        new = base / "versions" / "1.1.0" / "_internal"
        soon(new.exists)
        time.sleep(wait)
        update.kill()
        update.wait(PATIENCE)
        subprocess.run([str(wineserver()), "-k"], env=windows.environment, check=False, timeout=PATIENCE)
        first = Versions(base).names[0]
        assert whole(base, first)
        stopped += first == "1.0.0"
        Versions(base).use("1.0.0")
    assert stopped, "no kill came in time, so this has shown nothing"
    assert windows.run(str(setup["1.1.0"]), *words) == 0
    assert whole(base, Versions(base).names[0])


def test_user_data_go_only_when_that_is_said(windows: Windows, setup: dict[str, Path]) -> None:
    base = windows.local / "Programs" / "Easel"
    assert (
        windows.run(str(setup["1.0.0"]), "/S", f"/D=C:\\users\\{windows.user.name}\\AppData\\Local\\Programs\\Easel")
        == 0
    )
    data = windows.local / "easel"
    data.mkdir(exist_ok=True)
    windows.run(str(base / "uninstall.exe"), "/S", "/DATA")
    assert soon(lambda: not base.exists() and not data.exists())
