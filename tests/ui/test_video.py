"""The Video tab with a tiny model: a film is made from words, plays in the browser, and stands in the history."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from engines.api import families, make_tiny_models

from .conftest import WAIT, Easel, Screen


def _models(folder: Path) -> None:
    wanted = [family for family in families() if family.id == "ltx"]
    process = multiprocessing.get_context("spawn").Process(target=make_tiny_models, args=(folder, wanted))
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.long
def test_a_video_is_made_and_plays(browser: Browser, tmp_path: Path) -> None:
    home = tmp_path / "home"
    _models(home / "data" / "models")
    easel = Easel(home).start()
    try:
        page = browser.new_page()
        screen = Screen(page).open(easel.address)
        screen.tab("video")
        page.wait_for_selector("#video-prompt textarea")
        page.locator("#tab-video").get_by_label("Length").first.wait_for(state="visible", timeout=WAIT)
        page.fill("#video-prompt textarea", "a red apple rolls")
        page.keyboard.press("Control+Enter")
        film = page.wait_for_selector("#tab-video .stage video", timeout=WAIT)
        assert film is not None
        page.wait_for_function("document.querySelector('#tab-video .stage video').readyState >= 2", timeout=WAIT)
        width, seconds, error = film.evaluate("v => [v.videoWidth, v.duration, v.error && v.error.message]")
        assert (width, error) == (128, None), "the wide shape of a model of 64 pixels"
        assert 3.9 < seconds < 4.2, "97 frames at 24 a second, the usual length of the family"
        film.evaluate("v => { v.muted = true; return v.play(); }")
        page.wait_for_function("document.querySelector('#tab-video .stage video').currentTime > 0", timeout=WAIT)
        page.wait_for_function("document.querySelectorAll('#tab-video .strip img').length > 0", timeout=WAIT)
        drawn = "(() => { const i = document.querySelector('#tab-video .strip img'); return i.complete && i.naturalWidth; })()"
        page.wait_for_function(drawn, timeout=WAIT)
        with page.expect_download(timeout=WAIT) as saved:
            page.get_by_role("link", name="Save as MP4").click()
        assert saved.value.suggested_filename.endswith(".mp4")
        assert Path(saved.value.path()).read_bytes()[4:8] == b"ftyp"
        assert screen.complaints == []
        assert screen.foreign == []
    finally:
        easel.kill()
