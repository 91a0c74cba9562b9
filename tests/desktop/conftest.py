"""The real window, in this process: pytest-qt turns Qt's loop, everything else is as a person starts it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.profile import used_profile

if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if hasattr(os, "geteuid") and os.geteuid() == 0:
    os.environ.setdefault("QTWEBENGINE_CHROMIUM_FLAGS", "--no-sandbox")

pytest.importorskip("PySide6.QtWebEngineWidgets", exc_type=ImportError)
pytest.importorskip("webview.platforms.qt", exc_type=ImportError)  # before the application that pytest-qt makes

WAIT = 180.0


class OpenWindow:
    """What a test does with the window: run script in its page, press its menu, wait."""

    def __init__(self, shell: Any, home: Path, opened: Path) -> None:
        self.shell, self.home = shell, home
        self.window = shell._window
        self._opened = opened

    @property
    def native(self) -> Any:
        """Qt's main window."""
        return self.window.native

    def wait(self, check: Callable[[], Any], seconds: float = WAIT) -> Any:
        """Turn Qt's loop until `check()` gives something; that is returned."""
        from qtpy.QtWidgets import QApplication

        deadline = time.monotonic() + seconds
        while not (found := check()):
            assert time.monotonic() < deadline, "it did not happen"
            QApplication.processEvents()
            time.sleep(0.01)
        return found

    def page(self, script: str) -> Any:
        """The value of an expression in the page, asked of Qt itself: pywebview's way would wait for this very thread."""
        answers: list[Any] = []
        self.native.webview.page().runJavaScript(script, 0, answers.append)
        self.wait(lambda: answers)
        return answers[0]

    def until(self, script: str) -> Any:
        """Wait until an expression in the page is true."""
        return self.wait(lambda: self.page(script))

    def menu(self) -> dict[str, Any]:
        """The menu's entries by their words."""
        bar = self.native.menuBar()
        return {entry.text(): entry for top in bar.actions() for entry in top.menu().actions() if entry.text()}

    def opened(self) -> list[str]:
        """What was given to the desktop to open, in order."""
        return self._opened.read_text().split("\n")[:-1] if self._opened.exists() else []


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def open_window(
    tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch, qapp: Any
) -> Iterator[OpenWindow]:
    """One window for all tests of a module; they leave it as they found it."""
    from qtpy.QtWidgets import QApplication

    home = tmp_path_factory.mktemp("window") / "home"
    used_profile(home)
    opened = _desktop(home.parent, patched)
    patched.setenv("EASEL_HOME", str(home))
    # Qt's loop is turned by the tests. pywebview ends it with the last window, after which nothing could be waited for.
    patched.setattr(QApplication, "exec_", lambda *_: 0, raising=False)
    patched.setattr(QApplication, "exit", lambda *_: None)
    shell, running, instance = _shell()
    shell.open()
    found = OpenWindow(shell, home, opened)
    yield found
    with contextlib.suppress(KeyError, RuntimeError):
        shell._window.destroy()
        for _ in range(50):
            QApplication.processEvents()
            time.sleep(0.01)
    running.stop()
    instance.release()


def _shell() -> tuple[Any, Any, Any]:
    from app.desktop.instance import Instance
    from app.desktop.options import Options
    from app.desktop.running import Running
    from app.desktop.shell import Shell
    from app.paths import Paths

    paths = Paths.default()
    paths.ensure()
    running, instance = Running(paths, Options()), Instance(paths.data)
    assert instance.take()
    return Shell(paths, running, instance, "en", ""), running, instance


def _desktop(folder: Path, patched: pytest.MonkeyPatch) -> Path:
    """A desktop that opens things by writing them down: programs on the PATH, as real as xdg-open."""
    record, programs = folder / "opened.txt", folder / "programs"
    programs.mkdir()
    for name in ("xdg-open", "www-browser-of-the-test"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "$1" >> "{record}"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    patched.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    patched.setenv("BROWSER", str(programs / "www-browser-of-the-test"))
    return record
