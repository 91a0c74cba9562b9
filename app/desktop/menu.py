"""The window's menu. Actions run in threads of their own, where pywebview wants them."""

from __future__ import annotations

import logging
import webbrowser
from collections.abc import Callable

from webview.menu import Menu, MenuAction, MenuSeparator

from app import system
from app.desktop.running import Running
from app.ui.words import Words
from engines.api import EaselError

log = logging.getLogger(__name__)


def build_menu(
    words: Words, running: Running, command: Callable[[str], None], tell: Callable[[EaselError], None]
) -> list[Menu]:
    """The menus; `command` runs one of the page's own commands ("new", "report", "about"), `tell` shows an error."""

    def action(key: str, run: Callable[[], object]) -> MenuAction:
        return MenuAction(words(key), _guarded(run, running, tell))

    return [
        Menu(
            words("menu.easel"),
            [
                action("menu.new", lambda: command("new")),
                MenuSeparator(),
                action("menu.outputs", lambda: system.open_folder(running.services.outputs.folder)),
                action("menu.models", lambda: system.open_folder(running.services.paths.models)),
            ],
        ),
        Menu(
            words("menu.help"),
            [
                action("menu.report", lambda: command("report")),
                action("menu.browser", lambda: webbrowser.open(running.new_url())),
                MenuSeparator(),
                action("menu.about", lambda: command("about")),
            ],
        ),
    ]


def _guarded(run: Callable[[], object], running: Running, tell: Callable[[EaselError], None]) -> Callable[[], None]:
    """A menu can be used while Easel is still starting, and what it opens may not be there."""

    def act() -> None:
        if not running.ready:
            return
        try:
            run()
        except EaselError as error:
            log.warning("menu code=%s", error.code, exc_info=True)
            tell(error)

    return act
