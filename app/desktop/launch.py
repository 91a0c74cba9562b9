"""Start Easel as a person does: one window for each data folder, the browser where no window can be shown."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import webbrowser
from types import FrameType

import typer

from app.backend import suits
from app.cards import cards
from app.desktop.instance import Instance
from app.desktop.options import Options
from app.desktop.running import Running
from app.desktop.screen import why_no_window
from app.logs import setup_logging
from app.machine import package_version
from app.paths import Paths
from app.settings import SettingsStore
from engines.api import ResourceError, use_language

log = logging.getLogger(__name__)


def run(options: Options) -> int:
    """Open Easel and stay until it is closed; returns the exit status."""
    paths = Paths.default()
    paths.ensure()
    settings = SettingsStore(paths.settings_file).load()
    setup_logging(paths, settings)
    use_language(settings.language)
    instance = Instance(paths.data)
    if not instance.take():
        return _show_the_first(instance)
    try:
        return _open(paths, options, settings.language, options.theme or settings.theme, instance)
    finally:
        instance.release()


def _show_the_first(instance: Instance) -> int:
    if instance.ask_first():
        typer.echo("Easel is open already; its window comes to the front.", err=True)
        return 0
    raise ResourceError("first-does-not-answer")


def _open(paths: Paths, options: Options, language: str, theme: str, instance: Instance) -> int:
    running = Running(paths, options)
    reason = "" if options.browser or options.listen else why_no_window()
    threading.Thread(target=_look_at_cards, name="cards", daemon=True).start()
    if options.browser or options.listen or reason:
        if reason:
            typer.echo(f"No window can be shown: {reason}. Easel opens in the browser.", err=True)
        return open_in_browser(running, instance)
    from app.desktop.shell import Shell

    return Shell(paths, running, instance, language, theme).run()


def _look_at_cards() -> None:
    """Say it at the start when this torch and the card do not go together; `easel doctor` and the first picture say it too."""
    mismatch = suits(package_version("torch"), cards(), sys.platform)
    if mismatch is not None:
        message = ResourceError(mismatch.code, **mismatch.values).message
        log.warning("%s %s", message.title, message.cause)
        for line in (message.title, message.cause, *message.fixes):
            typer.echo(line, err=True)


def open_in_browser(running: Running, instance: Instance) -> int:
    """Serve the page, open it in the browser, and wait for Ctrl-C or a kind signal."""
    ended, served = threading.Event(), threading.Event()

    def show() -> None:
        if served.is_set():  # until then there is nothing to show, and the page opens by itself
            _open_page(running.new_url())

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        instance.listen(show)  # before anything slow: later starts wait some seconds for an answer, and then complain
        address = running.start()
        served.set()
        typer.echo("Easel runs until you press Ctrl-C here. Its page, for one browser and two minutes:", err=True)
        typer.echo(address)
        _open_page(address)
        while not ended.wait(0.5):  # an endless wait could not be interrupted on Windows
            pass
    finally:
        running.stop()
    return 0


def _open_page(address: str) -> None:
    if not webbrowser.open(address):
        log.info("no browser could be started")
