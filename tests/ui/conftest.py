"""A real Easel in a process of its own, and Debian's Chromium in front of it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app.paths import ROOT
from tests.profile import used_profile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT = 60_000  # milliseconds; a picture takes two seconds here, twenty on a busy machine


class Easel:
    """`easel ui --browser` as a process; `address` lets one page in. A `fresh` one shows the first steps."""

    def __init__(self, home: Path, fresh: bool = False) -> None:
        self.home = home
        if not fresh:
            used_profile(home)
        self.address = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, path: str = "") -> Easel:
        """`path` comes before the repository in PYTHONPATH."""
        environment = {**os.environ, "EASEL_HOME": str(self.home), "OMP_NUM_THREADS": "1", "BROWSER": "true"}
        command = [sys.executable, "-P", "-m", "app", "ui", "--browser"]
        self.process = subprocess.Popen(
            command,
            cwd=self.home.parent,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, (path, str(ROOT))))},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), "Easel did not start"
        return self

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def easel_with_models(home: Path, make: Callable[..., object], *more: Any) -> Easel:
    """A started Easel, after `make(models folder, *more)` in a process of its own: that imports torch."""
    process = multiprocessing.get_context("spawn").Process(target=make, args=(home / "data/models", *more))
    process.start()
    process.join()
    assert process.exitcode == 0
    return Easel(home).start()


class Screen:
    """One page, and what a test does with it again and again."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(WAIT)
        page.on("pageerror", self._on_error)
        page.on("request", self._on_request)

    def _on_error(self, error: Any) -> None:
        # Gradio 6.31: its editor is taken away while it still reads itself; nothing comes of it.
        if "assets/" not in str(error.stack) or "null" not in str(error):
            self.complaints.append(f"{error}\n{error.stack}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(request.url)

    def open(self, address: str) -> Screen:
        self.page.goto(address)
        self.ready()
        return self

    def ready(self) -> None:
        self.page.wait_for_selector("html[data-easel-ready]")
        self.page.wait_for_selector(".status .device:not(:empty)")
        self.form_shown()  # typing before the form's first update is what a test of its own does

    def form_shown(self, times: int = 1) -> None:
        """Wait until the image tab's form was shown anew so often; without a model there is no form."""
        there = f"Number(document.documentElement.dataset.imageForm ?? 0) >= {times}"
        self.page.wait_for_function(f"!document.querySelector('#image-prompt') || {there}")

    def new(self) -> None:
        """An empty form, as the menu's entry makes it."""
        times = int(self.page.evaluate("Number(document.documentElement.dataset.imageForm ?? 0)"))
        self.page.evaluate("window.easel.run('new')")
        self.form_shown(times + 1)

    def reload(self) -> None:
        self.page.reload()
        self.ready()

    def tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}-button")

    def write(self, text: str) -> None:
        self.page.fill("#image-prompt textarea", text)

    def task(self, name: str) -> None:
        chip = self.page.get_by_role("radio", name=name, exact=True)
        for _ in range(5):  # an update of the form that arrives in the same moment makes the chips anew
            chip.click()
            self.page.wait_for_timeout(400)
            if chip.is_checked():
                return
        assert chip.is_checked()

    def made(self) -> int:
        return self.page.locator(".strip .thumbnail").count()

    def generate(self, prompt: str | None = None, pictures: int = 1) -> None:
        """Write, press Ctrl+Enter, wait for the pictures."""
        before = self.made()
        if prompt is not None:
            self.write(prompt)
        self.page.keyboard.press("Control+Enter")
        self.wait_for_pictures(before + pictures)

    def wait_for_pictures(self, count: int) -> None:
        self.page.wait_for_function(f"document.querySelectorAll('.strip .thumbnail').length >= {count}")
        self.page.wait_for_function("!document.body.classList.contains('busy')")

    def advanced(self, label: str, value: float) -> None:
        self.open_advanced()
        box = self.page.get_by_role("spinbutton", name=label)
        box.fill(str(value))
        box.press("Tab")
        self.page.wait_for_timeout(300)

    def open_advanced(self) -> None:
        if not self.page.locator("#image-advanced input").first.is_visible():
            self.page.click("#image-advanced button")
            self.page.wait_for_timeout(300)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    running = Easel(tmp_path_factory.mktemp("page") / "home").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def context(browser: Browser, easel: Easel) -> Iterator[BrowserContext]:
    """The window's own context: its first page has used the token, all others come with the cookie."""
    context = browser.new_context(
        viewport={"width": 1360, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    first = Screen(context.new_page()).open(easel.address)
    first.page.close()
    yield context
    context.close()


@pytest.fixture
def screen(context: BrowserContext, easel: Easel) -> Iterator[Screen]:
    """A fresh page with an empty form."""
    screen = Screen(context.new_page())
    screen.open(easel.address.partition("?")[0])
    screen.new()
    screen.task("Text to image")
    yield screen
    assert screen.complaints == []
    assert screen.foreign == []
    screen.page.close()


def eventually(check: Any, seconds: float = 20) -> None:
    """Wait until `check()` is true."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
