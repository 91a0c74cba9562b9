"""Other programs' pictures are listed in place, found by their seed, and left again: all in the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.ui.routes.history_folders import _folder
from engines.api import UserError
from tests.engines.foreign_files import CORPUS
from tests.ui.conftest import Screen

TYPE_BOTH = """() => {
  for (const [id, value] of [["history-search", "unheard-of"], ["history-seed", "5"]]) {
    const box = document.getElementById(id);
    box.value = value;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""


def test_a_folder_of_another_program_comes_and_goes(screen: Screen, tmp_path: Path) -> None:
    theirs = tmp_path / "webui" / "outputs"
    theirs.mkdir(parents=True)
    files = [case.write(theirs) for case in CORPUS[:4]]
    before = {path: path.stat().st_mtime_ns for path in files}
    screen.tab("history")
    page = screen.page
    tiles = page.locator(".tile")
    page.locator(".history-folders summary").click()
    page.fill("#history-folder-add", str(tmp_path / "nowhere"))
    page.locator(".history-folders").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".history-folders")).to_contain_text("nowhere")
    expect(page.locator(".history-folders .folders li")).to_have_count(0)
    page.fill("#history-folder-add", str(theirs))
    page.locator(".history-folders").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".history-folders")).to_contain_text("4 pictures found.")
    page.fill("#history-seed", "5")
    expect(tiles).to_have_count(4)
    page.evaluate(TYPE_BOTH)  # within the pause after which a search is sent
    expect(tiles).to_have_count(0)
    page.fill("#history-search", "")
    expect(tiles).to_have_count(4)
    tiles.first.get_by_role("button", name="Open").click()
    expect(page.get_by_role("dialog")).to_contain_text("a cat")
    page.keyboard.press("Escape")
    page.locator(".history-folders").get_by_role("button", name=f"Stop using {theirs}").click()
    expect(tiles).to_have_count(0)
    page.fill("#history-seed", "")
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_the_home_of_nobody_is_no_folder() -> None:
    with pytest.raises(UserError) as caught:
        _folder("~nobody-of-this-name/pictures")
    assert caught.value.code == "history-folder-missing"
