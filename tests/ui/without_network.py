"""The first steps where there is no network; a test runs it in a namespace with loopback alone, with a folder to work in."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.profile import used_profile
from tests.ui.conftest import CHROMIUM, Easel, Screen

LONGEST = 10.0  # seconds until the third step says what can be done


def main(folder: Path) -> int:
    """Through the steps to a picture of the starter; any failed expectation raises."""
    easel = Easel(folder / "home", fresh=True)
    used_profile(easel.home, wizard_done=False)
    easel.start()
    try:
        with sync_playwright() as playwright:
            flags = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
            _walk(Screen(browser.new_page()).open(easel.address), folder)
            browser.close()
    finally:
        easel.stop()
    return 0


def _walk(screen: Screen, folder: Path) -> None:
    page = screen.page
    for _ in range(2):
        page.get_by_role("button", name="Next", exact=True).click()
    begun = time.monotonic()
    steps = page.locator(".wizard")
    expect(steps).to_contain_text("not connected", timeout=LONGEST * 1000)
    assert time.monotonic() - begun < LONGEST
    expect(steps.locator(".entry, [aria-busy=true]")).to_have_count(0)
    expect(steps.locator("#models-import-field")).to_be_visible()
    page.screenshot(path=folder / "offline.png")
    page.get_by_role("button", name="Use the small built-in model").click()
    expect(page.locator("#image-prompt textarea")).to_have_value("a red apple")
    page.keyboard.press("Control+Enter")
    screen.wait_for_pictures(1)
    assert screen.complaints == [] and screen.foreign == []


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
