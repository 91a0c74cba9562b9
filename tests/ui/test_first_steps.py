"""The first start in a real browser: the steps, a download that is killed on the way, the first picture; the Models tab."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.catalogue import catalogue
from app.exchange import export_models
from app.models import ModelStore
from app.paths import ROOT, STARTER, Paths
from app.settings import Settings, SettingsStore
from tests.app.download.conftest import weights
from tests.app.library import trees
from tests.hub import Hub, Repository, Stored
from tests.profile import used_profile
from tests.promises.test_offline import can_leave_the_network
from tests.ui.conftest import Easel, Screen, eventually
from tests.ui.test_safety import serious

SMALL = catalogue().find("sd15")
BUNDLED = len(ModelStore((STARTER,)).all())
PADDING = 4_000_000  # bytes that make the tiny model take long enough to be killed in


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random-weight model of the family that the first card offers.

    It looks at itself at a quarter of the resolution alone: at its family's size the usual tiny one takes minutes here.
    """
    from engines.registry import REGISTRY
    from engines.tiny import make_tiny_model

    assert SMALL is not None
    family = REGISTRY.get(SMALL.family)
    blocks = {
        "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    }
    unet = replace(family.tiny.parts["unet"], config={**family.tiny.parts["unet"].config, **blocks})
    quick = replace(family, tiny=replace(family.tiny, parts={**family.tiny.parts, "unet": unet}))
    return make_tiny_model(quick, tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def hub(tiny: Path) -> Iterator[Hub]:
    with Hub() as running:
        assert SMALL is not None
        repository = running.add(Repository.of_folder(SMALL.repository, tiny, licence="creativeml-openrail-m"))
        repository.files["safety_checker/unused.safetensors"] = Stored(weights(1000))
        yield running


@pytest.fixture
def fresh(tmp_path: Path, hub: Hub) -> Iterator[Easel]:
    """An Easel that nobody has used yet; its hub is the stand-in."""
    easel = Easel(tmp_path / "home", fresh=True)
    used_profile(easel.home, wizard_done=False, hub_address=hub.address)
    yield easel
    if easel.process is not None and easel.process.poll() is None:
        easel.kill()


def settings(easel: Easel) -> Settings:
    return SettingsStore(Paths.below(easel.home).settings_file).load()


class Clicks:
    """Counts what a person presses."""

    def __init__(self) -> None:
        self.count = 0

    def press(self, page: Page, name: str) -> None:
        page.get_by_role("button", name=name, exact=True).first.click()
        self.count += 1


def opened(easel: Easel, browser: Browser) -> Screen:
    easel.start()
    return Screen(browser.new_context(viewport={"width": 1360, "height": 900}).new_page()).open(easel.address)


def test_from_nothing_to_a_picture_through_two_kills(fresh: Easel, browser: Browser, hub: Hub) -> None:
    assert SMALL is not None
    clicks = Clicks()
    screen = opened(fresh, browser)
    expect(screen.page.get_by_role("dialog", name="Welcome to Easel")).to_contain_text("Processor cores")
    clicks.press(screen.page, "Next")
    expect(screen.page.get_by_role("dialog")).to_contain_text("New ones go here")
    clicks.press(screen.page, "Next")
    hub.rate = 60_000
    clicks.press(screen.page, f"Get {SMALL.title}")
    for part in (0.3, 0.6):
        row = screen.page.locator(".wizard .download")
        expect(row).to_contain_text("/s")
        screen.page.wait_for_function(f"document.querySelector('.wizard .download progress').value > {part}")
        fresh.kill()
        screen.page.close()
        screen = opened(fresh, browser)  # the steps are where they were, and the download goes on by itself
    hub.rate = 0
    expect(screen.page.locator(".wizard .download")).to_contain_text("Done")
    clicks.press(screen.page, "Make my first picture")
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a red apple")
    clicks.press(screen.page, "Generate")
    screen.wait_for_pictures(1)
    assert clicks.count <= 5
    shown = screen.page.locator(".status .model")
    expect(shown).to_have_text(SMALL.title)
    check_files(fresh, hub)
    assert screen.complaints == [] and screen.foreign == []
    screen.reload()
    expect(screen.page.locator("dialog.wizard")).to_have_count(0)
    assert fresh.stop() == 0


def check_files(easel: Easel, hub: Hub) -> None:
    """Every file is what the hub has, and next to nothing was fetched twice."""
    assert SMALL is not None
    folder = easel.home / "data" / "models" / "stable-diffusion-v1-5"
    stored = {path: each for path, each in hub.repositories[SMALL.repository].files.items() if (folder / path).exists()}
    stored.pop("easel.json", None)
    assert len(stored) > 8
    for path, each in stored.items():
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == each.sha256, path
    needed = sum(len(each.data) for each in stored.values())
    assert hub.file_bytes < needed * 1.05 + 200_000
    card = json.loads((folder / "easel.json").read_text())
    assert card["licence"] == SMALL.licence.name and card["source"].startswith(hub.address)


def test_all_of_it_can_be_skipped_and_opened_again(fresh: Easel, browser: Browser) -> None:
    screen = opened(fresh, browser)
    screen.page.keyboard.press("Escape")
    expect(screen.page.locator("dialog.wizard")).to_have_count(0)
    screen.generate("a red apple")  # the starter model needs none of it
    screen.reload()
    expect(screen.page.locator("dialog.wizard")).to_have_count(0)
    screen.tab("models")
    screen.page.get_by_role("button", name="First steps").click()
    expect(screen.page.get_by_role("dialog", name="Welcome to Easel")).to_be_visible()


@pytest.mark.long
def test_without_a_server_there_is_a_card_and_the_starter_works(fresh: Easel, browser: Browser, tmp_path: Path) -> None:
    assert SMALL is not None
    used_profile(fresh.home, wizard_done=False, hub_address="http://127.0.0.1:1")
    screen = opened(fresh, browser)
    for _ in range(2):
        screen.page.get_by_role("button", name="Next", exact=True).click()
    screen.page.get_by_role("button", name=f"Get {SMALL.title}", exact=True).click()
    expect(screen.page.locator(".wizard .card.error")).to_contain_text("download-no-connection")
    screen.page.get_by_role("button", name="Use the small built-in model").click()
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a red apple")
    screen.page.keyboard.press("Control+Enter")
    screen.wait_for_pictures(1)


def test_the_person_chooses_what_fills_a_part(fresh: Easel, browser: Browser, tmp_path: Path) -> None:
    """A lone UNet with a VAE and a text encoder from a whole checkpoint; another VAE lies beside it."""
    shelf = tmp_path / "shelf"
    trees.put(
        shelf, {"unet.safetensors": "UNet of 1.5", "whole.safetensors": "checkpoint of 1.5", "my.safetensors": "VAE"}
    )
    used_profile(fresh.home, model_folders=[str(shelf)])
    page = opened(fresh, browser).page
    page.click("#tab-models-button")
    row = page.locator(".model-list .model", has=page.get_by_role("heading", name="unet"))
    row.get_by_role("button", name="Details").click()
    vae = page.get_by_role("dialog").get_by_label("VAE")
    expect(vae).to_have_value("")
    expect(vae.locator("option:checked")).to_contain_text("Automatic: " + str(shelf / "whole.safetensors"))
    vae.select_option(str(shelf / "my.safetensors"))
    eventually(
        lambda: settings(fresh).model_parts == {str(shelf / "unet.safetensors"): {"vae": shelf / "my.safetensors"}}
    )
    page.keyboard.press("Escape")
    row.get_by_role("button", name="Details").click()
    expect(vae).to_have_value(str(shelf / "my.safetensors"))
    vae.select_option("")
    eventually(lambda: settings(fresh).model_parts.get(str(shelf / "unet.safetensors")) == {})
    page.get_by_label("Hold the largest part in 8 bits").check()
    eventually(lambda: settings(fresh).eight_bits == [str(shelf / "unet.safetensors")])
    page.keyboard.press("Escape")
    row.get_by_role("button", name="Details").click()
    expect(page.get_by_label("Hold the largest part in 8 bits")).to_be_checked()


@pytest.mark.long
@pytest.mark.skipif(not can_leave_the_network(), reason="needs unshare, and the right to use it")
def test_where_there_is_no_network_the_steps_offer_import_and_the_starter(tmp_path: Path) -> None:
    """Easel and the browser in a network namespace with loopback alone, the hub the usual one."""
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, "-m"]
    done = subprocess.run(
        [*command, "tests.ui.without_network", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_models_tab(fresh: Easel, browser: Browser, hub: Hub, tiny: Path, tmp_path: Path) -> None:
    used_profile(fresh.home, hub_address=hub.address)
    screen = opened(fresh, browser)
    page = screen.page
    screen.tab("models")
    rows = page.locator(".model-list .model")
    expect(rows).to_have_count(BUNDLED)
    # from an address: pause, go on, cancel
    hub.plain["big.safetensors"] = Stored(weights(PADDING))
    page.fill("#models-address-field", f"{hub.address}/files/big.safetensors")
    page.keyboard.press("Enter")
    expect(page.locator(".models-tab .card.error")).to_contain_text("download-not-found")
    page.fill("#models-address-field", f"{hub.address}/big.safetensors")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("4.0 MB")
    hub.rate = 100_000  # 40 s: a busy machine has to find it unfinished twice
    dialog.get_by_role("button", name="Download").click()
    download = page.locator(".download")
    expect(download).to_contain_text("left")
    download.get_by_role("button", name="Pause").click()
    expect(download).to_contain_text("Paused")
    download.get_by_role("button", name="Go on").click()
    expect(download).to_contain_text("left")
    download.get_by_role("button", name="Cancel").click()
    expect(download).to_have_count(0)
    # from a stick
    record = next(each for each in ModelStore((tiny,)).all())
    stick = tmp_path / "stick"
    stick.mkdir()
    export_models([record], stick)
    page.fill("#models-import-field", str(stick))
    page.keyboard.press("Enter")
    expect(rows).to_have_count(BUNDLED + 1)
    # a folder, in place
    page.fill("#models-folder-add", str(tmp_path / "nowhere"))
    page.keyboard.press("Enter")
    expect(page.locator(".models-tab .card.error").last).to_contain_text("model-folder-missing")
    page.fill("#models-folder-add", str(tiny.parent))
    page.keyboard.press("Enter")
    expect(rows).to_have_count(BUNDLED + 2)
    page.get_by_role("button", name=f"Stop using {tiny.parent}").click()
    expect(rows).to_have_count(BUNDLED + 1)
    # a mirror
    hub_field = page.locator("#models-hub-field")
    expect(hub_field).to_have_value(hub.address)
    hub_field.fill("http://elsewhere.example")
    hub_field.press("Enter")
    expect(page.locator(".models-tab .card.error").last).to_contain_text("setting-invalid")
    hub_field.fill("https://mirror.example/")
    hub_field.press("Enter")
    eventually(lambda: settings(fresh).hub_address == "https://mirror.example")
    # search, details, use
    page.fill("#models-search", record.title)
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="Make it the usual one").click()
    expect(rows).to_contain_text("Usual model")
    eventually(lambda: settings(fresh).model == record.id)
    rows.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("Fingerprint")
    page.keyboard.press("Escape")
    rows.get_by_role("button", name="Use").click()
    expect(page.locator("#tab-image-button")).to_have_attribute("aria-selected", "true")
    screen.generate("a red apple")
    expect(page.locator(".status .model")).to_have_text(record.title)
    assert screen.complaints == [] and screen.foreign == []


def test_axe_finds_nothing_serious_in_the_steps_and_other_programs_are_found(
    fresh: Easel, browser: Browser, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SMALL is not None
    comfy = tmp_path / "person" / "ComfyUI"
    for name in ("checkpoints", "text_encoders", "loras"):
        (comfy / "models" / name).mkdir(parents=True)
    (comfy / "custom_nodes").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    screen = opened(fresh, browser)
    found = []
    hub.rate = 20_000
    for step in ("Next", "Next", f"Get {SMALL.title}", ""):
        for scheme in ("light", "dark"):
            screen.page.emulate_media(color_scheme=scheme)  # pyright: ignore
            screen.settle()
            found += [(step, scheme, *problem) for problem in serious(screen)]
        if screen.page.get_by_label("ComfyUI").count():
            expect(screen.page.get_by_label(f"ComfyUI: {comfy}")).to_be_checked()
        if step:
            screen.page.get_by_role("button", name=step, exact=True).click()
    expect(screen.page.locator(".wizard .download")).to_be_visible()
    eventually(lambda: settings(fresh).model_folders == [comfy])
    assert found == []


def test_a_model_on_the_disk_is_four_clicks_from_a_picture(
    fresh: Easel, browser: Browser, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comfy = tmp_path / "person" / "ComfyUI"
    (comfy / "custom_nodes").mkdir(parents=True)
    shutil.copytree(tiny, comfy / "models" / "diffusers" / "my-own")
    for name in ("checkpoints", "loras"):
        (comfy / "models" / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    clicks = Clicks()
    screen = opened(fresh, browser)
    clicks.press(screen.page, "Next")
    expect(screen.page.get_by_label(f"ComfyUI: {comfy}")).to_be_checked()
    clicks.press(screen.page, "Next")
    clicks.press(screen.page, "Begin with Tiny Stable Diffusion 1.5")
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a red apple")
    clicks.press(screen.page, "Generate")
    screen.wait_for_pictures(1)
    assert clicks.count <= 4
    expect(screen.page.locator(".status .model")).to_have_text("Tiny Stable Diffusion 1.5")


def test_the_built_in_model_is_three_clicks_from_a_picture(fresh: Easel, browser: Browser) -> None:
    clicks = Clicks()
    screen = opened(fresh, browser)
    clicks.press(screen.page, "Skip all of it")
    clicks.press(screen.page, "a red apple")
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a red apple")
    clicks.press(screen.page, "Generate")
    screen.wait_for_pictures(1)
    assert clicks.count <= 3


@pytest.mark.long
def test_the_steps_need_no_mouse(fresh: Easel, browser: Browser, hub: Hub) -> None:
    screen = opened(fresh, browser)
    page = screen.page
    for button in ("Next", "Next", "Use the small built-in model"):
        for _ in range(30):
            if page.evaluate("document.activeElement?.textContent") == button:
                break
            page.keyboard.press("Tab")
            page.wait_for_timeout(50)
        page.keyboard.press("Enter")
        screen.settle()
    expect(page.locator("dialog.wizard")).to_have_count(0)
    expect(page.locator("#image-prompt textarea")).to_have_value("a red apple")
    page.keyboard.press("Control+Enter")
    screen.wait_for_pictures(1)
    eventually(lambda: list((fresh.home / "outputs").rglob("*.png")))
    assert STARTER.is_dir()
