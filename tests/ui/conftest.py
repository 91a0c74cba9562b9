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
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from app.paths import ROOT
from tests.profile import used_profile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT = 180_000  # milliseconds; a picture takes two seconds here, but a worker that starts on a busy machine takes over a minute
STILL = 300  # milliseconds without a question to the server; the page's own pauses while somebody types are shorter
ANSWERED = ("fetch", "xhr")  # what comes to an end by itself, unlike the stream of events
QUIETEN = """async () => {
  const post = (path, data = {}) => fetch(`/easel${path}`, { method: "POST", body: JSON.stringify(data) });
  const { allJobs } = await import("/easel/web/feed.js");
  for (const { id, state } of allJobs()) if (state === "queued") await post(`/jobs/${id}/stop`);
  await post("/stop");
  await post("/queue", { paused: false });
}"""
expect.set_options(timeout=WAIT)


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
        self.process.wait(WAIT / 1000)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT / 1000)


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
        self._asked: set[Request] = set()  # and not answered yet
        self._questions = 0
        page.on("requestfinished", self._on_answer)
        page.on("requestfailed", self._on_answer)

    def _on_error(self, error: Any) -> None:
        # Gradio 6.31: its editor is taken away while it still reads itself; nothing comes of it.
        if "assets/" not in str(error.stack) or "null" not in str(error):
            self.complaints.append(f"{error}\n{error.stack}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(request.url)
        if request.resource_type in ANSWERED:
            self._questions += 1
            self._asked.add(request)

    def _on_answer(self, request: Request) -> None:
        self._asked.discard(request)

    def settle(self) -> None:
        """Wait until the server has answered all that the page has asked, and the page has shown it.

        What is done next finds the form as the draft has it, and no late answer under its hands.
        """
        deadline, questions = time.monotonic() + WAIT / 1000, -1
        while self._asked or questions != self._questions:
            assert time.monotonic() < deadline, [request.url for request in self._asked]
            questions = self._questions
            # The page's own clock: on a busy machine it may stand still while ours goes on.
            self.page.evaluate(f"new Promise((done) => setTimeout(done, {STILL}))")

    def open(self, address: str) -> Screen:
        self.page.goto(address)
        self.ready()
        return self

    def ready(self) -> None:
        self.page.wait_for_selector("html[data-easel-ready]")
        self.page.wait_for_selector(".status .device:not(:empty)")
        self.form_shown()  # typing before the form's first update is what a test of its own does
        self.settle()

    def form_shown(self, times: int = 1) -> None:
        """Wait until the image tab's form was shown anew so often; without a model there is no form."""
        there = f"Number(document.documentElement.dataset.imageForm ?? 0) >= {times}"
        self.page.wait_for_function(f"!document.querySelector('#image-prompt') || {there}")

    def new(self) -> None:
        """An empty form, as the menu's entry makes it."""
        times = int(self.page.evaluate("Number(document.documentElement.dataset.imageForm ?? 0)"))
        self.page.evaluate("window.easel.run('new')")
        self.form_shown(times + 1)
        self.settle()

    def quiet(self) -> None:
        """No job runs or waits, whatever a test before this one left behind."""
        self.page.evaluate(QUIETEN)
        self.page.wait_for_function("!document.body.classList.contains('busy')")

    def reload(self) -> None:
        self.page.reload()
        self.ready()

    def tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}-button")

    def write(self, text: str) -> None:
        self.page.fill("#image-prompt textarea", text)

    def task(self, name: str, tab: str = "image") -> None:
        chip = self.page.locator(f"#{tab}-task").get_by_role("radio", name=name, exact=True)
        chip.click()
        self.settle()
        expect(chip).to_be_checked()

    def give(self, place: str, file: str | Path) -> None:
        """Put a file into a place of the form, and wait until the draft has it."""
        self.page.locator(f"{place} input[type=file]").first.set_input_files(file)
        self.settle()

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
        self.settle()
        expect(box).to_have_value(str(value))

    def open_advanced(self) -> None:
        first = self.page.locator("#image-advanced input").first
        if not first.is_visible():
            self.page.click("#image-advanced button")
        expect(first).to_be_visible()

    def choose(self, name: str) -> None:
        """One of the chips or boxes, by its words."""
        self.page.get_by_role("radio", name=name, exact=True).check()
        self.settle()


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
    screen.quiet()
    screen.new()
    screen.task("Text to image")
    yield screen
    assert screen.complaints == []
    assert screen.foreign == []
    screen.page.close()


def eventually(check: Any, seconds: float = WAIT / 1000) -> None:
    """Wait until `check()` is true."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
