"""The page as a person uses it: generate, stop, reload, two windows, pictures in, pictures out."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Route, expect

from engines.api import read_metadata
from tests.ui.conftest import Easel, Screen, eventually


def outputs(easel: Easel) -> list[Path]:
    return sorted((easel.home / "outputs").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)


def test_a_first_picture_takes_two_clicks_and_no_word(screen: Screen, easel: Easel) -> None:
    before = len(outputs(easel))
    screen.page.get_by_role("button", name="a red apple").click()
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a red apple")
    screen.page.click("#image-generate")
    screen.wait_for_pictures(screen.made() + 1 if before == 0 else 1)
    eventually(lambda: len(outputs(easel)) == before + 1)
    request = read_metadata(outputs(easel)[-1]).request
    assert request is not None and request.prompt == "a red apple"
    shown = screen.page.locator(".stage .canvas img").first
    expect(shown).to_have_attribute("alt", "a red apple")
    screen.page.wait_for_function(f"document.querySelector('.stage .canvas img').naturalWidth === {request.width}")


def test_progress_previews_and_time_left_are_shown(screen: Screen) -> None:
    screen.advanced("Steps", 150)
    screen.advanced("How many", 4)  # one would be done before a busy machine has looked at all of it
    screen.write("a blue boat")
    screen.page.keyboard.press("Control+Enter")
    text = screen.page.locator(".progress .text")
    expect(text).to_be_visible()
    expect(text).to_contain_text("/150")
    expect(text).to_contain_text("left")
    expect(screen.page.locator(".stage img.live")).to_be_visible()
    expect(screen.page.locator("#image-stop")).to_be_visible()
    expect(screen.page.locator("#image-generate")).to_be_hidden()
    expect(screen.page.locator(".status .work")).to_contain_text("1 running")
    screen.page.keyboard.press("Escape")
    expect(screen.page.locator("#image-generate")).to_be_visible()
    expect(screen.page.locator(".stage .below")).to_contain_text("Stopped")


def test_a_reload_and_a_second_window_find_the_running_job(
    screen: Screen, context: BrowserContext, easel: Easel
) -> None:
    screen.advanced("Steps", 120)
    screen.advanced("How many", 4)  # one would be done before a busy machine has opened two pages
    screen.write("a green tree")
    before = screen.made()
    screen.page.keyboard.press("Control+Enter")
    expect(screen.page.locator(".progress .text")).to_contain_text("/120")
    screen.reload()
    expect(screen.page.locator(".progress .text")).to_contain_text("/120")
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a green tree")
    second = Screen(context.new_page()).open(easel.address.partition("?")[0])
    expect(second.page.locator(".progress .text")).to_contain_text("/120")
    for each in (screen, second):
        each.wait_for_pictures(before + 4)
    second.page.close()


def test_the_queue_is_shown_paused_and_put_in_order(screen: Screen) -> None:
    screen.advanced("Steps", 150)
    screen.advanced("How many", 8)
    screen.write("a first wish")
    screen.page.keyboard.press("Control+Enter")
    expect(screen.page.locator("#image-queue")).to_be_visible()
    for prompt in ("a second wish", "a third wish"):
        screen.write(prompt)
        screen.page.click("#image-queue")
        expect(screen.page.locator(".waiting")).to_contain_text(prompt)
    screen.page.get_by_role("button", name="Pause the queue").click()
    expect(screen.page.locator(".status .work")).to_contain_text("queue paused")
    screen.page.get_by_role("button", name="Later").first.click()
    expect(screen.page.locator(".waiting li").first).to_contain_text("a third wish")
    for left in (1, 0):
        screen.page.get_by_role("button", name="Remove from the queue").first.click()
        expect(screen.page.locator(".waiting li")).to_have_count(left)
    screen.page.get_by_role("button", name="Go on with the queue").click()
    screen.page.keyboard.press("Escape")
    expect(screen.page.locator("#image-generate")).to_be_visible()


def test_pasted_and_deleted_words_are_there_after_a_reload(screen: Screen) -> None:
    page, box = screen.page, screen.page.locator("#image-prompt textarea")
    page.evaluate("navigator.clipboard.writeText('a pasted boat')")
    box.click()
    page.keyboard.press("Control+V")
    page.keyboard.press("Backspace")
    expect(box).to_have_value("a pasted boa")
    page.reload()  # at once: leaving the page sends what waits
    screen.ready()
    expect(box).to_have_value("a pasted boa")


def test_four_pictures_of_one_wish_have_four_seeds(screen: Screen) -> None:
    screen.advanced("How many", 3)
    screen.choose("Draft")
    screen.generate("a yellow house", pictures=3)
    expect(screen.page.locator(".stage .below")).to_contain_text("3 of 3")


def test_shape_and_quality_decide_size_and_steps(screen: Screen, easel: Easel) -> None:
    screen.choose("Draft")
    screen.choose("Landscape")
    screen.generate("a white cloud")
    request = read_metadata(outputs(easel)[-1]).request
    assert request is not None
    assert request.width > request.height
    screen.choose("Square")
    screen.choose("Normal")
    screen.generate("a white cloud")
    usual = read_metadata(outputs(easel)[-1]).request
    assert usual is not None and usual.width == usual.height
    assert request.steps < usual.steps
    assert request.shortcuts is not None and request.shortcuts.every > 1 and usual.shortcuts is None


def test_a_quality_says_what_it_changes(screen: Screen) -> None:
    screen.choose("Draft")
    said = screen.page.locator("#image-quality")
    expect(said).to_contain_text("a full one every 3")
    expect(said).to_contain_text("% of the work of full ones")
    screen.choose("Best")
    expect(said).not_to_contain_text("a full one every")
    expect(said).to_contain_text("steps.")


def test_an_empty_prompt_is_a_message_with_a_button(screen: Screen) -> None:
    screen.write("")
    screen.page.click("#image-generate")
    card = screen.page.locator(".wish .card.error")
    expect(card).to_contain_text("There is nothing to draw yet.")
    expect(card).to_contain_text("prompt-empty")
    card.get_by_role("button", name="Write a prompt").click()
    expect(screen.page.locator("#image-prompt textarea")).to_be_focused()
    expect(card).to_have_count(0)


def picture_file(tmp_path: Path, size: tuple[int, int] = (96, 64)) -> Path:
    path = tmp_path / "given.png"
    Image.radial_gradient("L").resize(size).convert("RGB").save(path)
    return path


def test_a_picture_is_the_beginning_of_another(screen: Screen, easel: Easel, tmp_path: Path) -> None:
    screen.task("Image to image")
    screen.give("#image-picture", picture_file(tmp_path))
    expect(screen.page.locator("#image-picture img")).to_be_visible()
    screen.generate("a red apple")
    request = read_metadata(outputs(easel)[-1]).request
    assert request is not None and str(request.task) == "image-to-image"
    assert request.width > request.height, "the shape is the picture's"
    screen.reload()
    expect(screen.page.locator("#image-picture img")).to_be_visible()


def test_a_painted_mask_is_repainted_and_stays_through_a_reload(screen: Screen, easel: Easel, tmp_path: Path) -> None:
    screen.task("Inpaint")
    canvas = screen.page.locator("#image-canvas canvas").first
    expect(canvas).to_be_visible()  # the editor is made when it is first seen, and takes a while
    screen.settle()
    assert not draft_of(easel)["init_image"], "something new begins without the last picture"
    screen.give("#image-canvas", picture_file(tmp_path, (128, 128)))
    screen.write("a red apple")
    eventually(lambda: draft_of(easel)["init_image"])  # the editor has the picture and can be painted on
    screen.settle()
    paint(screen)
    screen.generate()  # at once: the stroke is on its way and belongs to it
    request = read_metadata(outputs(easel)[-1]).request
    assert request is not None and str(request.task) == "inpaint" and request.mask
    mask = kept_picture(easel, request.mask)
    white = sum(1 for value in mask.tobytes() if value)
    assert mask.size == (128, 128) and 100 < white < 128 * 128
    screen.reload()
    expect(screen.page.locator("#image-canvas canvas").first).to_be_visible()
    screen.settle()
    screen.generate()
    again = read_metadata(outputs(easel)[-1]).request
    assert again is not None and again.init_image == request.init_image and again.mask == request.mask


def draft_of(easel: Easel) -> dict[str, str]:
    path = easel.home / "data" / "drafts.json"
    return json.loads(path.read_text(encoding="utf-8"))["drafts"]["image"] if path.is_file() else {"init_image": ""}


def kept_picture(easel: Easel, reference: str) -> Image.Image:
    digest = reference.removeprefix("sha256:")
    return Image.open(next((easel.home / "data" / "inputs").glob(f"{digest}*"))).convert("L")


def paint(screen: Screen) -> None:
    """A stroke across the middle of the editor."""
    box = screen.page.locator("#image-canvas canvas").first.bounding_box()
    assert box is not None
    middle_x, middle_y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    screen.page.mouse.move(middle_x - 30, middle_y)
    screen.page.mouse.down()
    for step in range(10):
        screen.page.mouse.move(middle_x - 30 + 6 * step, middle_y + 2 * step)
    screen.page.mouse.up()


def drop(screen: Screen, data: bytes, name: str) -> None:
    """Drop a file on the page, as the system does it."""
    script = """([bytes, name]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'}));
        const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
        document.querySelector('.stage').dispatchEvent(new DragEvent('drop', options));
    }"""
    screen.page.evaluate(script, [list(data), name])


def test_a_dropped_picture_gives_its_settings_back_with_the_same_pixels(screen: Screen, easel: Easel) -> None:
    screen.advanced("Steps", 7)
    screen.generate("a brown dog")
    original = outputs(easel)[-1]
    screen.new()
    drop(screen, original.read_bytes(), original.name)
    dialog = screen.page.get_by_role("dialog")
    expect(dialog).to_contain_text("a brown dog")
    dialog.get_by_role("button", name="Use its settings").click()
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a brown dog")
    screen.settle()
    screen.generate()
    assert outputs(easel)[-1] != original
    assert outputs(easel)[-1].read_bytes() == original.read_bytes()


def test_vary_waits_until_the_form_shows_what_is_varied(screen: Screen, easel: Easel) -> None:
    screen.choose("Draft")
    screen.generate("a grey goose")
    screen.write("other words")
    screen.settle()
    held: list[Route] = []
    before = screen.made()
    screen.page.route("**/gradio_api/run/**", lambda route: held.append(route), times=1)  # the form, shown anew
    screen.page.get_by_role("button", name="Vary", exact=True).click()
    while not held:
        screen.page.wait_for_timeout(50)
    screen.page.wait_for_timeout(1000)  # it is slow
    held[0].continue_()
    screen.wait_for_pictures(before + 1)
    request = read_metadata(outputs(easel)[-1]).request
    assert request is not None and request.prompt == "a grey goose"


def test_a_dropped_picture_without_settings_becomes_input(screen: Screen, tmp_path: Path) -> None:
    drop(screen, picture_file(tmp_path).read_bytes(), "given.png")
    dialog = screen.page.get_by_role("dialog")
    expect(dialog).to_contain_text("nothing of how it was made")
    dialog.get_by_role("button", name="Use it as input").click()
    expect(screen.page.get_by_role("radio", name="Image to image")).to_be_checked()
    expect(screen.page.locator("#image-picture img")).to_be_visible()


def test_what_is_no_picture_is_refused_in_words(screen: Screen) -> None:
    drop(screen, b"this is no picture", "fake.png")
    card = screen.page.locator(".wish .card.error")
    expect(card).to_be_visible()
    expect(card.get_by_role("button")).not_to_have_count(0)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    drop(screen, buffer.getvalue(), "virus.exe")
    expect(card).to_contain_text("not a picture that Easel reads")


def test_presets_are_applied_saved_explained_and_removed(screen: Screen) -> None:
    screen.page.locator(".preset-row").get_by_role("button", name="Draft").click()
    expect(screen.page.locator(".preset-row").get_by_role("button", name="Draft")).to_have_attribute(
        "aria-pressed", "true"
    )
    screen.open_advanced()
    expect(screen.page.get_by_role("spinbutton", name="Steps")).to_have_value("8")
    screen.advanced("Steps", 9)
    screen.tab("presets")
    screen.page.get_by_role("button", name="Save the present settings").click()
    screen.page.get_by_label("Name", exact=True).fill("Nine steps")
    screen.page.get_by_role("dialog").get_by_role("button", name="Save the present settings").click()
    mine = screen.page.locator(".preset", has_text="Nine steps").first
    expect(mine).to_contain_text("Steps: 9")
    mine.get_by_role("button", name="Explain").click()
    expect(screen.page.get_by_role("dialog")).to_contain_text("preset")
    screen.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    mine.get_by_role("button", name="Duplicate").click()
    copy = screen.page.locator(".preset", has_text="Nine steps (copy)")
    expect(copy).to_be_visible()
    with screen.page.expect_download() as saved:
        copy.get_by_role("link", name="Export").click()
    exported = Path(saved.value.path()).read_bytes()
    screen.page.locator(".presets-tab input[type=file]").set_input_files(
        {"name": "brought.yaml", "mimeType": "text/yaml", "buffer": exported.replace(b"Nine steps", b"Brought in")}
    )
    expect(screen.page.locator(".preset", has_text="Brought in")).to_be_visible()
    copy.get_by_role("button", name="Move to the trash").click()
    expect(copy).to_have_count(0)


def test_history_finds_stars_compares_and_gives_back(screen: Screen) -> None:
    for prompt in ("a violet balloon", "an orange balloon"):
        screen.choose("Draft")
        screen.generate(prompt)
    screen.tab("history")
    screen.page.fill("#history-search", "balloon VIOLET")
    tiles = screen.page.locator(".tile")
    expect(tiles).to_have_count(1)
    tiles.first.get_by_role("button", name="Open").click()
    screen.page.get_by_role("dialog").get_by_role("button", name="Mark as favourite").click()
    screen.page.fill("#history-search", "")
    screen.page.check("#history-favourites")
    expect(tiles).to_have_count(1)
    screen.page.uncheck("#history-favourites")
    screen.page.fill("#history-search", "balloon")
    expect(tiles).to_have_count(2)
    for index in range(2):
        tiles.nth(index).get_by_role("button", name="Compare").click()
    screen.page.get_by_role("button", name="Compare both").click()
    expect(screen.page.get_by_role("dialog")).to_contain_text("an orange balloon")
    screen.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    tiles.first.get_by_role("button", name="Open").click()
    screen.page.get_by_role("dialog").get_by_role("button", name="Use all settings").click()
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("an orange balloon")
    expect(screen.page.locator("#tab-image-button")).to_have_attribute("aria-selected", "true")


def test_history_is_sorted_into_boards_and_exported(screen: Screen, tmp_path: Path) -> None:
    import zipfile

    screen.choose("Draft")
    screen.generate("a kite for the board")
    screen.tab("history")
    screen.page.fill("#history-search", "kite for the board")
    tiles = screen.page.locator(".tile")
    expect(tiles).to_have_count(1)
    tiles.first.get_by_role("button", name="Open").click()
    dialog = screen.page.get_by_role("dialog")
    dialog.get_by_label("A board's name").fill("Kites")
    dialog.get_by_role("button", name="Put on board").click()
    screen.page.fill("#history-search", "")
    screen.page.get_by_label("Any board").select_option("Kites")
    expect(tiles).to_have_count(1)
    with screen.page.expect_download() as download:
        screen.page.get_by_role("button", name="Export these").click()
    archive = tmp_path / "selection.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as inside:
        assert sum(name.endswith(".png") for name in inside.namelist()) == 1
    tiles.first.get_by_role("button", name="Open").click()
    dialog.get_by_role("button", name="Take off").click()
    screen.page.fill("#history-search", "kite for the board")
    expect(tiles).to_have_count(1)


def test_history_is_filtered_by_kind_model_and_day(screen: Screen) -> None:
    screen.choose("Draft")
    screen.generate("a filtered lantern")
    screen.tab("history")
    screen.page.fill("#history-search", "filtered lantern")
    tiles = screen.page.locator(".tile")
    expect(tiles).to_have_count(1)
    kind = screen.page.get_by_label("Everything")
    kind.select_option("Inpaint")
    expect(tiles).to_have_count(0)
    kind.select_option("Text to image")
    expect(tiles).to_have_count(1)
    screen.page.get_by_label("All models").select_option("starter")
    expect(tiles).to_have_count(1)
    until = screen.page.get_by_label("to", exact=True)
    until.fill("2020-01-01")
    expect(tiles).to_have_count(0)
    until.fill("")
    expect(tiles).to_have_count(1)


def test_a_late_answer_does_not_undo_a_newer_filter(screen: Screen) -> None:
    screen.choose("Draft")
    screen.generate("a late lantern")
    screen.tab("history")
    screen.page.fill("#history-search", "late lantern")
    tiles = screen.page.locator(".tile")
    expect(tiles).to_have_count(1)
    held: list[Route] = []
    screen.page.route("**/easel/history?*model=starter*until=&*", lambda route: held.append(route))
    screen.page.get_by_label("All models").select_option("starter")
    screen.page.get_by_label("to", exact=True).fill("2020-01-01")
    expect(tiles).to_have_count(0)
    with screen.page.expect_response("**/easel/history?*model=starter*until=&*"):
        held[0].continue_()
    screen.settle()
    expect(tiles).to_have_count(0)
    screen.page.unroute_all(behavior="ignoreErrors")


def test_a_picture_is_enlarged_and_extended(screen: Screen, easel: Easel) -> None:
    screen.choose("Draft")
    screen.generate("a small cat")
    before = screen.made()
    screen.page.get_by_role("button", name="Enlarge", exact=True).click()
    screen.wait_for_pictures(before + 1)
    with Image.open(outputs(easel)[-1]) as enlarged:
        assert enlarged.size == (128, 128)
    screen.page.get_by_role("button", name="Compare with before").click()
    dialog = screen.page.get_by_role("dialog")
    small, large = dialog.get_by_alt_text("Before"), dialog.get_by_alt_text("After")
    for image, width in ((small, 64), (large, 128)):
        screen.page.wait_for_function(
            "([image, width]) => image.naturalWidth === width", arg=[image.element_handle(), width]
        )
    assert small.bounding_box() == large.bounding_box(), "one lies on the other"
    dialog.get_by_label("How much of each picture is seen").fill("20")
    assert "80%" in small.evaluate("image => getComputedStyle(image).clipPath")
    dialog.get_by_role("button", name="Close").click()
    screen.page.locator(".strip .thumbnail").nth(1).click()
    screen.page.get_by_role("button", name="Extend", exact=True).click()
    expect(screen.page.get_by_role("radio", name="Inpaint", exact=True)).to_be_checked()
    screen.settle()
    screen.page.click("#image-generate")
    screen.wait_for_pictures(before + 2)
    with Image.open(outputs(easel)[-1]) as extended:
        assert extended.size == (192, 192)


def test_a_second_pass_is_asked_for_in_the_form(screen: Screen, easel: Easel) -> None:
    screen.choose("Draft")
    screen.page.click("#image-advanced button")
    screen.page.get_by_role("button", name="Second pass, masks").click()
    screen.page.get_by_role("checkbox", name="Second pass").check()
    expect(screen.page.get_by_label("Larger by").first).to_be_visible()
    screen.settle()
    screen.generate("a star seen twice")
    request = read_metadata(outputs(easel)[-1]).request
    assert request is not None and request.hires is not None
    with Image.open(outputs(easel)[-1]) as picture:
        assert picture.width > request.width


def test_other_programs_are_let_in_by_a_switch(screen: Screen) -> None:
    import httpx

    screen.tab("settings")
    screen.page.get_by_role("button", name="Use from other programs").click()
    switch = screen.page.get_by_label("Let programs on this computer use Easel")
    switch.check()
    examples = screen.page.locator("#api-examples")
    expect(examples).to_contain_text("curl")
    found = re.search(r"It is at (http://127\.0\.0\.1:\d+)", examples.inner_text())
    assert found is not None
    options = httpx.get(f"{found[1]}/sdapi/v1/options")
    assert options.status_code == 200 and "sd_model_checkpoint" in options.json()
    switch.uncheck()
    expect(examples).to_contain_text("switched off")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{found[1]}/sdapi/v1/options")


def test_the_debug_report_is_shown_first_and_saved_without_what_is_unticked(screen: Screen, easel: Easel) -> None:
    import zipfile

    screen.page.evaluate("window.easel.run('report')")
    dialog = screen.page.get_by_role("dialog")
    expect(dialog).to_contain_text("environment.json")
    dialog.get_by_role("checkbox", name="models.json").uncheck()
    dialog.get_by_role("button", name="Save the ticked files").click()
    expect(dialog).to_contain_text("Saved as")
    saved = next((easel.home / "logs" / "reports").glob("*.zip"))
    with zipfile.ZipFile(saved) as archive:
        assert "environment.json" in archive.namelist()
        assert "models.json" not in archive.namelist()


def test_settings_hold_at_once(screen: Screen, easel: Easel, tmp_path: Path) -> None:
    screen.tab("settings")
    box = screen.page.get_by_label("Write into each picture how it was made")
    box.uncheck()
    expect(screen.page.locator("#settings-message")).to_contain_text("Saved")
    screen.tab("image")
    screen.choose("Draft")
    screen.generate("a secret garden")
    assert read_metadata(outputs(easel)[-1]).request is None
    screen.tab("settings")
    box.check()
    screen.settle()
    folder = screen.page.locator("#setting-output_folder textarea, #setting-output_folder input").first
    folder.fill("/proc/no-such-place")
    folder.press("Tab")
    expect(screen.page.locator("#settings-message")).to_contain_text("cannot be")
    folder.fill("")
    folder.press("Tab")
    screen.settle()


def test_the_first_picture_needs_no_mouse(screen: Screen) -> None:
    page = screen.page
    screen.reload()  # nothing has the keyboard
    page.keyboard.press("Tab")
    for _ in range(40):
        if page.evaluate("document.activeElement?.closest('#image-prompt') !== null"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type("a red apple")
    before = screen.made()
    page.keyboard.press("Control+Enter")
    screen.wait_for_pictures(before + 1)


def test_a_first_clip_takes_two_clicks_and_runs_at_once(screen: Screen, easel: Easel) -> None:
    screen.tab("video")
    page = screen.page
    page.get_by_role("button", name="a fox jumping").click()
    expect(page.locator("#video-prompt textarea")).to_have_value("a fox jumping")
    page.click("#video-generate")
    video = page.locator("#tab-video .stage video")
    video.wait_for()
    page.wait_for_function("document.querySelector('#tab-video .stage video').currentTime > 0")
    shown = video.bounding_box()
    assert shown is not None and shown["width"] > 300, "64 pixels would be too few to see anything in"
    assert video.evaluate("video => [video.videoWidth, video.muted, video.loop]") == [64, True, True]
