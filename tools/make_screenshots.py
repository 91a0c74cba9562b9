"""Make the screenshots of the docs: each tab, light and dark, of a real Easel that has made a few pictures.

Needs Chromium (Debian's is found) and Playwright from the test packages:

    ./.venv/bin/python tools/make_screenshots.py
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "resources" / "screenshots"
SIZE = {"width": 1280, "height": 860}
PROMPTS = ("a castle", "an owl", "a red apple", "a fox")
CLIPS = ("a red heart growing", "a fox jumping")
TABS = ("image", "video", "models", "presets", "history", "settings")
WAIT = 120_000  # milliseconds


def main() -> int:
    """Make all screenshots; returns the exit status."""
    argparse.ArgumentParser(description="Make the screenshots of the docs.").parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("there is no Chromium (on Debian: apt install chromium)", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        easel, address = start_easel(Path(home) / "easel")
        flags = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        try:
            _take(browser, address)
        finally:
            browser.close()
            stop_easel(easel)
    return 0


def stop_easel(easel: subprocess.Popen[str]) -> None:
    """End it kindly."""
    easel.send_signal(signal.SIGTERM)
    easel.wait(30)


def start_easel(home: Path) -> tuple[subprocess.Popen[str], str]:
    """A real Easel for the browser, with its data below `home`; returns it with the address for one page.

    The first steps are taken as done: they would stand before everything else.
    """
    settings = home / "config" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"schema_version": 1, "wizard_done": true}', encoding="utf-8")
    environment = {**os.environ, "EASEL_HOME": str(home), "BROWSER": "true", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "app", "ui", "--browser"]
    easel = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert easel.stdout is not None
    return easel, easel.stdout.readline().strip()


def _take(browser: Any, address: str) -> None:
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(WAIT)
    page.goto(address)
    _ready(page)
    _save(page, "first-start-light")
    _make(page, "image", PROMPTS)
    page.click("#tab-video-button")
    _make(page, "video", CLIPS)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        _ready(page)
        for tab in TABS:
            page.click(f"#tab-{tab}-button")
            page.wait_for_timeout(1200)
            _save(page, f"{tab}-{scheme}")


def _make(page: Any, tab: str, prompts: tuple[str, ...]) -> None:
    made = page.locator(f"#tab-{tab} .strip .thumbnail")
    for number, prompt in enumerate(prompts, 1):
        page.fill(f"#{tab}-prompt textarea", prompt)
        page.keyboard.press("Control+Enter")
        made.nth(number - 1).wait_for()
        page.wait_for_function("!document.body.classList.contains('busy')")


def _ready(page: Any) -> None:
    page.wait_for_selector("html[data-easel-ready]")
    page.wait_for_timeout(1500)


def _save(page: Any, name: str) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(TARGET / f"{name}.webp", "WEBP", quality=85, method=6)
    print(f"{name}.webp")


if __name__ == "__main__":
    sys.exit(main())
