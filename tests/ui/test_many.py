"""The token counter beside the prompt, and a grid asked for from the page."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.ui.conftest import Easel, Screen, eventually


def count_shown(screen: Screen) -> str | None:
    return screen.page.locator("#image-prompt").get_attribute("data-count")


def test_tokens_are_counted_while_one_writes(screen: Screen) -> None:
    screen.write("a (red:1.2) apple")
    eventually(lambda: (count_shown(screen) or "").endswith("/75 tokens"))
    screen.write("apple BREAK house")
    eventually(lambda: (count_shown(screen) or "").endswith("/150 tokens"))
    screen.write("")
    eventually(lambda: count_shown(screen) == "")


def sheets(easel: Easel) -> list[Path]:
    return sorted((easel.home / "outputs").rglob("grid.json"))


def test_a_grid_is_made_from_the_page(screen: Screen, easel: Easel) -> None:
    page, before = screen.page, len(sheets(easel))
    screen.write("a red apple")
    screen.open_advanced()
    page.get_by_role("button", name="Make a grid…").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Across").select_option("steps")
    values = dialog.get_by_label("values, between commas")
    values.nth(0).fill("stepz")
    dialog.get_by_role("button", name="Make the grid").click()
    expect(dialog.get_by_role("status")).to_contain_text("steps")
    values.nth(0).fill("1-2")
    values.nth(1).fill("Euler")
    dialog.get_by_role("button", name="Make the grid").click()
    expect(page.locator(".toast")).to_contain_text("2 pictures are queued.")
    eventually(lambda: len(sheets(easel)) == before + 1, 90)
    record = json.loads(sheets(easel)[-1].read_text(encoding="utf-8"))
    assert [cell["request"]["steps"] for cell in record["cells"]] == [1, 2]
    assert all((sheets(easel)[-1].parent / cell["file"]).is_file() for cell in record["cells"])
