"""The Video tab with tiny models: films from words, pictures and films; they play, and go on to other places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from engines.api import families_with_variants, make_tiny_models
from engines.media.video_read import video_facts
from engines.media.video_write import VideoWriter
from engines.types import VideoFormat

from .conftest import Easel, Screen, easel_with_models

WANTED = ("ltx-conditions", "wan")  # in this order: the first is the usual one
PLAYED = "(() => { const v = document.querySelector('%s'); return v && v.currentTime > 0 && !v.error; })()"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    home = tmp_path_factory.mktemp("video") / "home"
    wanted = [family for family in families_with_variants() if family.key in WANTED]
    easel = easel_with_models(home, make_tiny_models, wanted)
    yield easel
    easel.kill()


@pytest.fixture(scope="module")
def window(browser: Browser, studio: Easel) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    Screen(context.new_page()).open(studio.address).page.close()
    yield context
    context.close()


@pytest.fixture
def screen(window: Any, studio: Easel) -> Iterator[Screen]:
    screen = Screen(window.new_page())
    screen.open(studio.address.partition("?")[0])
    screen.tab("video")
    screen.page.locator("#video-prompt textarea").wait_for(state="visible")
    yield screen
    assert screen.complaints == []
    assert screen.foreign == []
    screen.page.close()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A picture, another one, and a film of 20 frames at 12 a second."""
    folder = tmp_path_factory.mktemp("given")
    Image.radial_gradient("L").resize((96, 64)).convert("RGB").save(folder / "first.png")
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(folder / "last.png")
    writer = VideoWriter(folder / "film.webm", VideoFormat.WEBM, (96, 64), 12, {})
    y, x = np.mgrid[0:64, 0:96]
    writer.write(np.stack([np.stack([x * 2, y * 4, np.full_like(x, i * 12)], -1) for i in range(20)]).astype(np.uint8))
    writer.finish()
    return {name: str(folder / file) for name, file in FILES.items()}


FILES = {"first": "first.png", "last": "last.png", "film": "film.webm"}


def mode(screen: Screen, name: str) -> None:
    screen.task(name, "video")


def film(screen: Screen) -> Locator:
    return screen.page.locator("#tab-video .stage video")


def generate(screen: Screen, words: str) -> Path:
    """Generate, wait for the film, see it play; returns the file."""
    page = screen.page
    before = page.locator("#tab-video .strip .thumbnail").count()
    page.fill("#video-prompt textarea", words)
    screen.settle()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(f"document.querySelectorAll('#tab-video .strip .thumbnail').length > {before}")
    page.wait_for_function("document.querySelector('#tab-video .stage video')?.readyState >= 2")
    film(screen).evaluate("v => { v.muted = true; return v.play(); }")
    page.wait_for_function(PLAYED % "#tab-video .stage video")
    return max(outputs(screen), key=lambda path: path.stat().st_mtime_ns)


def outputs(screen: Screen) -> list[Path]:
    folder = screen.home / "outputs"  # pyright: ignore
    return list(folder.rglob("*.webm"))


@pytest.fixture(autouse=True)
def place(request: pytest.FixtureRequest, studio: Easel) -> None:
    if "screen" in request.fixturenames:
        request.getfixturevalue("screen").home = studio.home


def test_words_become_a_film_that_plays(screen: Screen) -> None:
    page = screen.page
    mode(screen, "Text to video")
    said = page.locator("#video-said")
    expect(said).to_contain_text("9 frames at 24 a second: 0.4 s")
    expect(said).to_contain_text("LTX-Video makes 8k+1 frames and sides of 32")
    path = generate(screen, "a red apple rolls")
    facts = video_facts(path)
    assert (facts.frames, facts.width, facts.fps) == (9, 128, 24), "the length of the model's own card, the wide shape"
    with page.expect_download() as saved:
        page.locator("#tab-video").get_by_role("link", name="Save as MP4").click()
    assert Path(saved.value.path()).read_bytes()[4:8] == b"ftyp"


def test_two_pictures_become_a_film(screen: Screen, given: dict[str, str]) -> None:
    page = screen.page
    mode(screen, "Image to video")
    screen.give("#video-picture", given["first"])
    page.locator("#video-picture img").wait_for()
    screen.give("#video-last-picture", given["last"])
    page.locator("#video-last-picture img").wait_for()
    path = generate(screen, "from here to there")
    facts = video_facts(path)
    assert (facts.width > facts.height, facts.frames) == (True, 9), "the outline of the picture"
    from engines.media import read_metadata

    request = read_metadata(path).request
    assert request is not None and request.init_image and request.last_image


def test_a_film_is_drawn_anew_and_made_longer(screen: Screen, given: dict[str, str]) -> None:
    page = screen.page
    mode(screen, "Make longer")
    expect(page.locator("#video-last-picture")).to_be_hidden()
    screen.give("#video-film", given["film"])
    page.locator("#video-player video").wait_for()
    expect(page.locator("#video-said")).to_contain_text("12 a second")
    expect(page.locator("#video-said")).to_contain_text("goes on from the video's last frames")
    page.locator("#video-length input, #tab-video [aria-label='Length']").first.wait_for()
    path = generate(screen, "and on it rolls")
    facts = video_facts(path)
    assert (facts.width, facts.height, facts.fps) == (96, 64, 12), "size and speed of the film that was given"
    assert facts.frames == 20 + 9 - 1
    page.get_by_text("20 frames were there, 8 are new").wait_for()

    mode(screen, "Video to video")
    page.locator("#video-player video").wait_for()
    assert video_facts(generate(screen, "in another light")).frames > 1


def test_last_frame_to_image_and_make_video(screen: Screen) -> None:
    page = screen.page
    mode(screen, "Text to video")
    generate(screen, "a boat")
    page.locator("#tab-video").get_by_role("button", name="Last frame to Image").click()
    page.locator("#image-picture img").wait_for(state="visible")
    expect(page.locator("#image-task").get_by_role("radio", name="Image to image", exact=True)).to_be_checked()
    before = screen.made()
    page.fill("#image-prompt textarea", "a boat at night")
    screen.settle()
    page.keyboard.press("Control+Enter")
    screen.wait_for_pictures(before + 1)
    page.locator("#tab-image").get_by_role("button", name="Make video").click()
    page.locator("#video-picture img").wait_for(state="visible")
    expect(page.locator("#video-task").get_by_role("radio", name="Image to video", exact=True)).to_be_checked()
    generate(screen, "the boat moves")


def test_the_history_shows_uses_and_trashes_a_film(screen: Screen, studio: Easel) -> None:
    page = screen.page
    mode(screen, "Text to video")
    path = generate(screen, "a film for the history")
    screen.tab("history")
    tile = page.locator(".history-tab .tile", has=page.get_by_title("a film for the history")).first
    tile.locator("img").wait_for()
    tile.locator("button").first.click()
    dialog = page.locator("dialog[open]")
    dialog.locator("video").evaluate("v => { v.muted = true; return v.play(); }")
    page.wait_for_function(PLAYED % "dialog[open] video")
    dialog.get_by_role("button", name="Use all settings").click()
    expect(page.locator("#tab-video-button, [id='tab-video-button']").first).to_have_attribute("aria-selected", "true")
    expect(page.locator("#video-prompt textarea")).to_have_value("a film for the history")

    screen.tab("history")
    tile.locator("button").first.click()
    dialog.get_by_role("button", name="Make longer").click()
    page.locator("#video-player video").wait_for(state="visible")
    expect(page.locator("#video-task").get_by_role("radio", name="Make longer", exact=True)).to_be_checked()

    screen.tab("history")
    tiles = page.locator(".history-tab .tile")
    tiles.nth(0).get_by_role("button", name="Compare").click()
    tiles.nth(1).get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Compare both").click()
    expect(page.locator("dialog[open] .side-by-side > *")).to_have_count(2)
    page.locator("dialog[open]").get_by_role("button", name="Close").click()

    tile.locator("button").first.click()
    dialog.get_by_role("button", name="Move to the trash").click()
    expect(tile).to_have_count(0)
    assert not path.exists()


def drop(screen: Screen, path: Path) -> Locator:
    """Drop a video on the tab, as the system does it; returns the question that the page asks."""
    script = """([bytes, name]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'video/webm'}));
        const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
        document.querySelector('#tab-video .stage').dispatchEvent(new DragEvent('drop', options));
    }"""
    screen.page.evaluate(script, [list(path.read_bytes()), path.name])
    dialog = screen.page.locator("dialog[open]")
    dialog.locator("video").wait_for()
    return dialog


def test_a_dropped_film_gives_its_settings_back_or_is_an_input(screen: Screen, given: dict[str, str]) -> None:
    page = screen.page
    mode(screen, "Text to video")
    original = generate(screen, "a kite in the wind")
    page.fill("#video-prompt textarea", "other words")
    screen.settle()
    dialog = drop(screen, original)
    expect(dialog).to_contain_text("Made with Easel")
    expect(dialog).to_contain_text("a kite in the wind")
    dialog.get_by_role("button", name="Use its settings").click()
    expect(page.locator("#video-prompt textarea")).to_have_value("a kite in the wind")
    screen.settle()
    again = generate(screen, "a kite in the wind")
    assert again != original
    assert again.read_bytes() == original.read_bytes(), "the same film, with its seed"

    dialog = drop(screen, Path(given["film"]))
    expect(dialog).to_contain_text("A video without settings of its own")
    expect(dialog.get_by_role("button", name="Use its settings")).to_have_count(0)
    dialog.get_by_role("button", name="Make it longer").click()
    page.locator("#video-player video").wait_for(state="visible")
    expect(page.locator("#video-task").get_by_role("radio", name="Make longer", exact=True)).to_be_checked()
    expect(page.locator("#video-said")).to_contain_text("12 a second")
    assert video_facts(generate(screen, "the dropped film goes on")).frames == 20 + 9 - 1

    drop(screen, Path(given["film"])).get_by_role("button", name="Draw it anew").click()
    chip = page.locator("#video-task").get_by_role("radio", name="Video to video", exact=True)
    expect(chip).to_be_checked()
