"""The window: splash, page, menu, one for each data folder, its place, Save as, a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.models import ModelStore
from app.paths import ROOT, STARTER
from tests.desktop.conftest import WAIT, OpenWindow

READY = "document.documentElement.dataset.easelReady !== undefined"


def test_the_splash_is_there_before_the_page(open_window: OpenWindow) -> None:
    assert open_window.native.isVisible()
    assert "Easel is starting" in open_window.until("document.body && document.body.innerText")
    open_window.until(READY)
    assert open_window.page("location.hostname") == "127.0.0.1"
    assert open_window.native.windowTitle() == "Easel"


def test_the_menu_is_complete(open_window: OpenWindow) -> None:
    wanted = ["New picture", "Open outputs folder", "Models folder", "Export debug report", "Open in browser", "About"]
    assert list(open_window.menu()) == wanted


def test_new_picture_empties_the_form_and_gives_it_the_keyboard(open_window: OpenWindow) -> None:
    open_window.until(READY)
    open_window.page("document.querySelector('#tab-history-button').click()")
    open_window.menu()["New picture"].trigger()
    open_window.until("document.activeElement?.closest('#image-prompt') !== null")
    assert open_window.page("document.querySelector('#image-prompt textarea').value") == ""


def test_a_picture_is_made_in_the_window(open_window: OpenWindow) -> None:
    open_window.until(READY)
    example = "[...document.querySelectorAll('.stage button')].find(b => b.innerText === 'a red apple')"
    open_window.until(f"{example} !== undefined")
    open_window.page(f"{example}.click()")
    open_window.until("document.querySelector('#image-prompt textarea').value === 'a red apple'")
    open_window.page("document.querySelector('#image-generate').click()")
    open_window.until("document.querySelector('.stage .canvas img:not(.live)')?.naturalWidth > 0")
    assert len(list((open_window.home / "outputs").rglob("*.png"))) == 1


def test_save_as_writes_the_same_file_where_the_person_says(
    open_window: OpenWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PySide6.QtWidgets import QFileDialog

    target = tmp_path / "a name of my own.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(target), ""))
    open_window.until("document.querySelector('.stage .canvas img:not(.live)')?.naturalWidth > 0")
    open_window.page("[...document.querySelectorAll('.stage a[download]')][0].click()")
    open_window.wait(target.exists)
    (made,) = (open_window.home / "outputs").rglob("*.png")
    open_window.wait(lambda: target.stat().st_size == made.stat().st_size)
    assert target.read_bytes() == made.read_bytes()


def test_a_model_is_imported_through_the_window_s_own_dialog(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PySide6.QtWidgets import QFileDialog

    open_window.until(READY)
    open_window.page("document.querySelector('#tab-models-button').click()")
    buttons = "[...document.querySelectorAll('.models-tab form:has(#models-import-field) button')]"
    found = f"{buttons}.map(b => b.innerText)"
    open_window.until(f"{found}.includes('Choose a folder') && {found}.includes('Choose a file')")
    press = f"{buttons}.find(b => b.innerText === '%s').click()"
    asked: list[str] = []

    def nothing(*arguments: object, **_: object) -> tuple[str, str]:
        asked.append(str(arguments[3]))
        return "", ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", nothing)
    open_window.page(press % "Choose a file")
    open_window.wait(lambda: asked)
    assert "*.safetensors" in asked[0]
    rows = "document.querySelectorAll('.model-list .model').length"
    bundled = open_window.page(rows)
    assert bundled == len(ModelStore((STARTER,)).all())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args, **_named: str(STARTER / "image"))
    open_window.page(press % "Choose a folder")
    open_window.until(f"{rows} === {bundled + 1}")
    assert list((open_window.home / "data" / "models").rglob("model_index.json"))


def test_the_folders_and_the_browser_open(open_window: OpenWindow) -> None:
    for name in ("Open outputs folder", "Models folder", "Open in browser"):
        before = len(open_window.opened())
        open_window.menu()[name].trigger()
        open_window.wait(lambda before=before: len(open_window.opened()) > before)
    outputs, models, address = open_window.opened()
    assert outputs.startswith(str(open_window.home)) and models.startswith(str(open_window.home))
    assert address.startswith("http://127.0.0.1:") and "token=" in address


def test_what_a_menu_cannot_do_is_said_on_the_page(open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(open_window.home / "no-programs"))
    open_window.menu()["Models folder"].trigger()
    text = open_window.until("document.querySelector('.card.error')?.innerText")
    assert "folder-not-shown" in text and "xdg-open" in text
    open_window.page("window.easel.clearNotice('image')")


def test_the_debug_report_is_shown_and_saved_from_the_menu(open_window: OpenWindow) -> None:
    open_window.menu()["Export debug report"].trigger()
    open_window.until("document.querySelector('dialog[open]')?.innerText.includes('environment.json')")
    save = "[...document.querySelectorAll('dialog[open] button')].find(b => b.innerText.startsWith('Save'))"
    open_window.page(f"{save}.click()")
    open_window.until("document.querySelector('dialog[open]')?.innerText.includes('Saved as')")
    assert list((open_window.home / "logs" / "reports").glob("*.zip"))
    open_window.page("document.querySelector('dialog[open]').close()")


def test_about_opens_the_settings(open_window: OpenWindow) -> None:
    open_window.menu()["About"].trigger()
    open_window.until("document.querySelector('#tab-settings-button').ariaSelected === 'true'")
    open_window.page("document.querySelector('#tab-image-button').click()")


def test_text_can_be_marked_and_the_page_cannot_leave(open_window: OpenWindow) -> None:
    assert open_window.page("getComputedStyle(document.body).userSelect") != "none"
    settings = open_window.native.webview.settings()
    from qtpy.QtWebEngineCore import QWebEngineSettings

    assert not settings.testAttribute(QWebEngineSettings.WebAttribute.LocalContentCanAccessFileUrls)


def test_a_second_start_shows_the_first_window_and_ends(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[bool] = []
    monkeypatch.setattr(type(open_window.window), "restore", lambda _self: shown.append(True))
    command = [sys.executable, "-P", "-m", "app"]
    second = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)
    open_window.wait(lambda: second.poll() is not None)
    assert second.returncode == 0
    assert second.stderr is not None and "open already" in second.stderr.read()
    open_window.wait(lambda: shown)


def test_the_size_is_kept_and_nothing_stays_behind(open_window: OpenWindow) -> None:
    """The last test of the window: it closes it."""
    open_window.native.resize(900, 700)
    open_window.wait(lambda: open_window.shell._place.width == 900)
    open_window.native.close()
    kept = open_window.home / "config" / "window.json"
    found = open_window.wait(lambda: list(open_window.home.rglob(kept.name)))
    assert json.loads(found[0].read_text())["width"] == 900
    worker = open_window.shell._running.services.orchestrator.dispatcher.lanes[0]._engine.pid
    assert worker is not None, "the picture's worker is still warm"
    open_window.shell._running.stop()
    assert not psutil.pid_exists(worker)


def start(home: Path, **environment: str) -> subprocess.Popen[str]:
    """Easel as a program of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app"],
        env={**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_kind_end_leaves_no_process_and_exit_status_0(tmp_path: Path) -> None:
    program = start(tmp_path / "home")
    log = tmp_path / "home" / "logs" / "easel.log"
    deadline = time.monotonic() + WAIT
    while not (log.exists() and "page usable" in log.read_text()):
        assert program.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    family = psutil.Process(program.pid).children(recursive=True)
    program.send_signal(signal.SIGTERM)
    assert program.wait(WAIT) == 0
    assert not psutil.wait_procs(family, timeout=WAIT)[1]


def test_without_a_screen_the_browser_is_opened_and_it_is_said(tmp_path: Path) -> None:
    program = start(tmp_path / "home", DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM="", BROWSER="true")
    assert program.stdout is not None and program.stderr is not None
    assert program.stdout.readline().startswith("http://127.0.0.1:")
    program.send_signal(signal.SIGTERM)
    _out, err = program.communicate(timeout=WAIT)
    assert program.returncode == 0
    assert "No window can be shown" in err and "DISPLAY" in err


def test_an_error_at_the_start_is_words_in_the_window() -> None:
    from app.desktop.shell import problem
    from app.ui.words import Words
    from engines.api import UserError

    page = problem(UserError("setting-invalid", why="<b>language</b>"), Words("en"))
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert "ValueError" in problem(ValueError("no"), Words("en"))
