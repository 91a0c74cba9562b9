"""The guides of a picture as a person clicks them: model, ControlNet, IP-Adapter, VAE, LoRA, words; then the record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from engines.api import GenerationRequest, read_metadata

from .conftest import Easel, Screen, easel_with_models, eventually
from .guide_files import make_shelf


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    home = tmp_path_factory.mktemp("guides") / "home"
    easel = easel_with_models(home, make_shelf)
    yield easel
    easel.kill()


@pytest.fixture(scope="module")
def screen(browser: Browser, studio: Easel) -> Iterator[Screen]:
    context = browser.new_context(viewport={"width": 1360, "height": 1000})
    screen = Screen(context.new_page()).open(studio.address)
    yield screen
    assert screen.complaints == []
    assert screen.foreign == []
    context.close()


@pytest.fixture
def given(tmp_path: Path) -> str:
    path = tmp_path / "given.png"
    Image.radial_gradient("L").resize((96, 64)).convert("RGB").save(path)
    return str(path)


def drafted(easel: Easel, field: str, part: str = "") -> Any:
    """What stands in the kept form: a field, or the `part` of the first entry of a list."""
    path = easel.home / "data" / "drafts.json"
    form = json.loads(path.read_text(encoding="utf-8"))["drafts"].get("image", {}) if path.is_file() else {}
    found = {**form.get("values", {}), **form}.get(field)
    return (found or [{}])[0].get(part) if part else found


def choose(screen: Screen, box: Locator, name: str) -> None:
    """Open a list and click one of its entries."""
    box.scroll_into_view_if_needed()
    box.click()
    screen.page.get_by_role("option", name=name, exact=True).click()


def follow(screen: Screen, easel: Easel, mark: str, field: str, file: str, picture: str) -> None:
    """Choose the guide's file, and give it its picture."""
    choose(screen, screen.page.locator(f"#image-{mark}-0 input"), file)
    place = screen.page.locator(f"#image-{mark}-0-picture")
    place.wait_for()
    place.locator("input[type=file]").set_input_files(picture)
    expect(place.locator("img")).to_be_visible()
    eventually(lambda: (drafted(easel, field, "image") or "").startswith("sha256:"))


def made(easel: Easel) -> list[Path]:
    return sorted((easel.home / "outputs").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)


def request_of(path: Path) -> GenerationRequest:
    request = read_metadata(path).request
    assert request is not None
    return request


def test_every_guide_is_chosen_by_clicks_and_stands_in_the_record(screen: Screen, studio: Easel, given: str) -> None:
    page = screen.page
    screen.write("a red apple")
    eventually(lambda: drafted(studio, "prompt") == "a red apple")
    screen.open_advanced()
    choose(screen, page.get_by_label("Model", exact=True), "Wide words")
    eventually(lambda: drafted(studio, "model") == "wide")
    page.get_by_role("button", name="Second pass, masks, LoRAs").click()
    choose(screen, page.locator("#image-loras input"), "ink")
    eventually(lambda: drafted(studio, "loras", "file") == "ink")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Guides: embeddings, ControlNet, IP-Adapter, VAE").click()
    choose(screen, page.locator("#image-embedding input"), "dot")
    page.get_by_role("button", name="Put into the prompt").click()
    expect(page.locator("#image-prompt textarea")).to_have_value("a red apple, dot")
    choose(screen, page.get_by_label("VAE", exact=True), "other")
    eventually(lambda: drafted(studio, "vae") == "other")
    follow(screen, studio, "control", "controls", "edges", given)
    choose(screen, page.get_by_label("Prepare the picture", exact=True).first, "Find edges (canny)")
    eventually(lambda: drafted(studio, "controls", "prepare") == "canny")
    follow(screen, studio, "look", "ip_adapters", "mood", given)
    choose(screen, page.locator("#image-style input"), "Pixel art")
    expect(page.locator("#image-prompt textarea")).to_have_value(
        "pixel art of a red apple, dot, large square pixels, few colours, hard edges"
    )
    screen.generate()
    request = request_of(made(studio)[-1])
    assert (request.model, request.vae) == ("wide", "other")
    assert [(use.file, use.weight) for use in request.loras] == [("ink", 1.0)]
    assert [(use.file, use.prepare) for use in request.controls] == [("edges", "canny")]
    assert [use.file for use in request.ip_adapters] == ["mood"]
    assert request.controls[0].image and request.controls[0].image == request.ip_adapters[0].image
    assert "dot" in request.prompt and request.negative_prompt == "photo, smooth, blurry, gradients"


def test_they_stay_through_a_reload_and_can_be_taken_away(screen: Screen, studio: Easel) -> None:
    page, before = screen.page, made(studio)[-1]
    screen.reload()
    screen.open_advanced()
    page.get_by_role("button", name="Guides: embeddings, ControlNet, IP-Adapter, VAE").click()
    expect(page.locator("#image-control-0 input")).to_have_value("edges")
    expect(page.locator("#image-control-0-picture img")).to_be_visible()
    expect(page.locator("#image-look-0 input")).to_have_value("mood")
    screen.generate()
    again = made(studio)[-1]
    assert request_of(again).seed != request_of(before).seed, "only the seed is another"
    assert request_of(again).model_copy(update={"seed": 0}) == request_of(before).model_copy(update={"seed": 0})
    for mark in ("control", "look"):
        choose(screen, page.locator(f"#image-{mark}-0 input"), "None")
        page.locator(f"#image-{mark}-0-picture").wait_for(state="hidden")
    screen.generate()
    plain = request_of(made(studio)[-1])
    assert (plain.controls, plain.ip_adapters, plain.vae) == ((), (), "other")
