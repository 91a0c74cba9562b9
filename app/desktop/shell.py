"""The native window: a splash page at once, then the page; its place kept, its end clean."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from app import last_resort
from app.desktop.dialogs import ask_for
from app.desktop.downloads import enable_downloads
from app.desktop.instance import Instance
from app.desktop.place import SMALLEST, Screen, WindowPlace, load_place, save_place
from app.desktop.running import Running
from app.paths import RESOURCES, Paths
from app.ui.notices import notice
from app.ui.words import Words
from engines.api import EaselError

log = logging.getLogger(__name__)

LIGHT, DARK = "#f6f7f8", "#111418"


class Shell:
    """One window around one running Easel."""

    def __init__(self, paths: Paths, running: Running, instance: Instance, language: str, theme: str) -> None:
        self._paths, self._running, self._instance = paths, running, instance
        self._words, self._theme = Words(language), theme
        self._window: Any = None
        self._place = load_place(paths.window_file)

    def run(self) -> int:
        """Show the window and stay until it is closed. Must be called from the main thread."""
        try:
            self.open()
        finally:
            self._running.stop()
        return 0

    def open(self) -> None:
        """Show the window; returns when Qt's loop ends, which is when the window is closed."""
        _prepare_qt()
        import webview

        from app.desktop.menu import build_menu

        webview.settings["ALLOW_DOWNLOADS"] = sys.platform != "linux"
        webview.settings["ALLOW_FILE_URLS"] = False
        webview.settings["OPEN_EXTERNAL_LINKS_IN_BROWSER"] = True
        self._make_window(webview)
        menu = build_menu(self._words, self._running, self.command, self.tell)
        gui = "qt" if sys.platform == "linux" else None
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._window.destroy())
        webview.start(self._behind, gui=gui, menu=menu, icon=str(RESOURCES / "icons" / "easel.png"))

    def command(self, name: str) -> None:
        """Run one of the page's commands."""
        self._window.evaluate_js(f"window.easel && window.easel.run({json.dumps(name)})")

    def tell(self, error: EaselError) -> None:
        """Show an error of the window's own on the page."""
        self._window.evaluate_js(f"window.easel && window.easel.tell({notice(error, (), self._words)})")

    def show(self) -> None:
        """Bring the window to the front."""
        self._window.restore()
        self._window.show()
        if (native := self._window.native) is not None and hasattr(native, "show_trigger"):
            native.show_trigger.emit()

    def _make_window(self, webview: Any) -> None:
        place = (
            self._place.fitted([_screen(each) for each in webview.screens])
            if self._place.x is not None
            else self._place
        )
        self._window = webview.create_window(
            "Easel",
            html=splash(self._words, self._theme),
            width=place.width,
            height=place.height,
            x=place.x,
            y=place.y,
            maximized=place.maximized,
            min_size=SMALLEST,
            background_color=DARK if self._theme == "dark" else LIGHT,
            text_select=True,
            zoomable=True,
        )
        events = self._window.events
        events.resized += self._on_resized
        events.moved += self._on_moved
        events.maximized += lambda: self._note(maximized=True)
        events.restored += lambda: self._note(maximized=False)
        events.closing += lambda: save_place(self._paths.window_file, self._place)
        self._shown = threading.Event()
        events.loaded += self._shown.set

    def _behind(self) -> None:
        """In a thread of its own, while the splash is seen: start everything, then show the page."""
        self._shown.wait(10)
        log.info("splash shown")
        if sys.platform == "linux":
            _as_expected(self._window.native)
        self._instance.listen(self.show)
        try:
            address = self._running.start()
        except Exception as error:  # whatever it is, the window must say it: there is nothing else that could
            log.exception("the start failed")
            report = last_resort.save(last_resort.build(error)) if _unexpected(error) else None
            self._window.load_html(problem(error, self._words, report))
            return
        if address:
            if self._running.only_here:  # a page on another computer must not open dialogs on this one
                self._running.services.dialogs.provide(lambda what: ask_for(self._window, self._words, what))
            self._window.load_url(address)

    def _on_resized(self, width: float, height: float) -> None:
        if not self._place.maximized:
            self._note(width=int(width), height=int(height))

    def _on_moved(self, x: float, y: float) -> None:
        if not self._place.maximized:
            self._note(x=int(x), y=int(y))

    def _note(self, **changes: Any) -> None:
        self._place = WindowPlace(**{**self._place.__dict__, **changes})


def splash(words: Words, theme: str) -> str:
    """The page that is seen until the real one is there: no script, no file, nothing to wait for."""
    from html import escape

    scheme = theme if theme in ("light", "dark") else "light dark"
    picture = (RESOURCES / "icons" / "easel.svg").read_text(encoding="utf-8")
    page = (RESOURCES / "web" / "splash.html").read_text(encoding="utf-8")
    return (
        page.replace("{{scheme}}", scheme)
        .replace("{{picture}}", picture)
        .replace("{{text}}", escape(words("splash.starting")))
    )


def _unexpected(error: Exception) -> bool:
    """Whether a report helps: a taken port or a newer list of jobs says everything already."""
    return not isinstance(error, EaselError) or error.exit_status == 1 or error.code == "ledger-broken"


def problem(error: Exception, words: Words, report: Path | None = None) -> str:
    """The page that is seen when the start failed: what happened, what to do about it, and where the report lies."""
    from html import escape

    if isinstance(error, EaselError):
        message = error.message
        lines = [message.cause, *message.fixes]
        title = message.title
    else:
        title, lines = words("splash.failed"), [f"{type(error).__name__}: {error}", words("splash.failed.help")]
    if report is not None:
        lines.append(words("splash.failed.report", path=report))
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<!doctype html><meta charset=utf-8><body style='font:1rem system-ui;margin:3rem'><h1>{escape(title)}</h1>{text}"


def _prepare_qt() -> None:
    """Qt and nothing else on Linux. Chromium refuses its sandbox to root; for everybody else the sandbox stays on."""
    if sys.platform != "linux":
        return
    os.environ["PYWEBVIEW_GUI"] = "qt"  # asking for the screens, before the start, would look for GTK first
    if os.geteuid() == 0:
        flags = os.environ.get("QTWEBENGINE_CHROMIUM_FLAGS", "")
        os.environ["QTWEBENGINE_CHROMIUM_FLAGS"] = f"{flags} --no-sandbox".strip()


def _as_expected(native: Any) -> None:
    """What a person expects of a window and pywebview leaves off: Save as, and the context menu of text fields."""
    from PySide6.QtCore import QObject, Qt, QTimer

    def on_qt_thread() -> None:
        enable_downloads(native)
        native.webview.setContextMenuPolicy(Qt.ContextMenuPolicy.DefaultContextMenu)

    assert isinstance(native, QObject)
    QTimer.singleShot(0, native, on_qt_thread)


def _screen(each: Any) -> Screen:
    return Screen(int(each.x), int(each.y), int(each.width), int(each.height))
