"""Measure what a person waits for on the page: words after Generate, the first preview, Stop.

A real Easel with the starter model, in Debian's Chromium; times are taken inside the page, by what it shows:

    ./.venv/bin/python tools/measure_page.py [--runs 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from make_screenshots import start_easel, stop_easel

WAIT = 120_000  # milliseconds
STEPS = 100
# Notes, in the page itself, when something is first seen; the clock begins with the click.
WATCH = """() => {
    const seen = window.seen = {start: performance.now()};
    const note = (name, value) => { if (!(name in seen)) seen[name] = value ?? performance.now() - seen.start; };
    window.watcher?.disconnect();
    window.watcher = new MutationObserver(() => {
        const text = document.querySelector('.progress .text')?.textContent ?? '';
        const step = Number(/(\\d+)\\/\\d+/.exec(text)?.[1] ?? 0);
        if (text) note('text');
        if (document.querySelector('.stage img.live')) note('previewStep', Math.max(step, 1));
        if (text.includes('left')) note('timeLeftStep', step);
        if (/Stopping/.test(text)) note('stopSeen', performance.now() - (seen.stop ?? NaN));
        if (seen.stop && !document.body.classList.contains('busy')) note('stopOver', performance.now() - seen.stop);
    });
    const options = {childList: true, subtree: true, characterData: true, attributes: true};
    window.watcher.observe(document.body, options);
}"""


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measure what a person waits for on the page.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("there is no Chromium (on Debian: apt install chromium)", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        easel, address = start_easel(Path(home) / "easel")
        flags = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        try:
            page = _open(browser, address)
            runs = [_run(page) for _ in range(arguments.runs)]
        finally:
            browser.close()
            stop_easel(easel)
    report = {name: round(statistics.median(run[name] for run in runs), 1) for name in runs[0]}
    print(json.dumps(report) if arguments.json else "\n".join(f"{name:16} {value}" for name, value in report.items()))
    return 0


def _open(browser: Any, address: str) -> Any:
    """A page with many steps chosen, and a warm engine: the first picture loads the model."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("html[data-easel-ready]")
    page.wait_for_timeout(1000)
    page.fill("#image-prompt textarea", "a red apple")
    page.click("#image-generate")
    page.wait_for_function("document.querySelectorAll('.strip .thumbnail').length >= 1")
    page.click("#image-advanced button")
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill(str(STEPS))
    steps.press("Tab")
    page.wait_for_timeout(1000)
    return page


def _run(page: Any) -> dict[str, float]:
    """One picture that is stopped on its way; milliseconds, and numbers of steps."""
    page.evaluate(WATCH)
    page.evaluate("window.seen.start = performance.now(); document.querySelector('#image-generate').click()")
    page.wait_for_function("window.seen.timeLeftStep > 0 && window.seen.previewStep > 0")
    page.evaluate("window.seen.stop = performance.now(); document.querySelector('#image-stop').click()")
    page.wait_for_function("'stopOver' in window.seen")
    page.wait_for_timeout(300)
    seen = page.evaluate("window.seen")
    names = {
        "text": "text_ms",
        "previewStep": "first_preview_step",
        "timeLeftStep": "time_left_step",
        "stopSeen": "stop_seen_ms",
        "stopOver": "stop_over_ms",
    }
    return {words: seen.get(name, seen["stopOver"]) for name, words in names.items()}


if __name__ == "__main__":
    sys.exit(main())
