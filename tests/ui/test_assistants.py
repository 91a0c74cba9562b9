"""The switch for assistants in the settings: with it an assistant draws, and the window goes on."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import expect

from tests.ui.conftest import Screen


def asked(address: str, method: str, **params: Any) -> httpx.Response:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Accept": "application/json, text/event-stream"}
    return httpx.post(f"{address}/mcp", json=message, headers=headers, timeout=120, trust_env=False)


def test_assistants_are_let_in_and_out(screen: Screen) -> None:
    screen.tab("settings")
    page = screen.page
    api, assistants, examples = (
        page.locator(name) for name in ("#setting-api input", "#setting-mcp input", "#api-examples")
    )
    if not api.is_visible():
        page.locator("#setting-api-section button").first.click()
    api.check()
    expect(examples).to_contain_text("It is at http://127.0.0.1:")
    found = re.search(r"It is at (http://127\.0\.0\.1:\d+)\.", examples.inner_text())
    assert found is not None
    address = found.group(1)
    assert asked(address, "tools/list").status_code == 404
    assistants.check()
    expect(examples).to_contain_text(f"{address}/mcp")
    wish = {"prompt": "a red apple", "width": 64, "height": 64, "steps": 2}
    answer = asked(address, "tools/call", name="make_picture", arguments=wish)
    assert answer.status_code == 200 and "image/png" in answer.text
    assistants.uncheck()
    expect(examples).not_to_contain_text("/mcp")
    assert asked(address, "tools/list").status_code == 404
    api.uncheck()
    expect(examples).to_contain_text("It is switched off.")
