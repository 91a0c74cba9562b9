"""The switch of the API: followed, not restarted without need, and off for good when starting fails."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.api_switch import ApiSwitch, Wanted
from app.bootstrap import build_services
from app.desktop.options import Options
from app.desktop.running import Running
from app.paths import Paths
from app.settings import Settings
from app.ui.api_section import ApiSection
from app.ui.words import Words
from engines.api import ResourceError


class Shell:
    """Serves nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def serve(self, wanted: Wanted) -> tuple[str, Callable[[], None]]:
        if wanted.port == 1:
            raise OSError("taken")
        self.log.append(f"on {wanted.port} {wanted.key}")
        return f"http://127.0.0.1:{wanted.port}", lambda: self.log.append("off")


def wanted(**values: object) -> Wanted:
    return Wanted.of(Settings.model_validate(values))


def test_it_follows_the_settings() -> None:
    shell, switch = Shell(), ApiSwitch()
    switch.follow(wanted(api=True))
    assert (switch.possible, switch.address) == (False, "")
    switch.provide(shell.serve)
    switch.follow(wanted(api=True))
    switch.follow(wanted(api=True, theme="dark"))
    assert switch.address == "http://127.0.0.1:7860"
    switch.follow(wanted(api=True, api_key="k"))
    switch.follow(wanted())
    assert (shell.log, switch.address) == (["on 7860 ", "off", "on 7860 k", "off"], "")


def test_what_cannot_be_started_is_off() -> None:
    shell, switch = Shell(), ApiSwitch()
    switch.provide(shell.serve)
    switch.follow(wanted(api=True))
    with pytest.raises(ResourceError, match="OSError: taken") as caught:
        switch.follow(wanted(api=True, api_port=1))
    assert (switch.address, caught.value.code) == ("", "api-not-started")
    assert switch.problem is caught.value, "whoever looks later finds it"
    switch.follow(wanted(api=True))
    assert switch.problem is None
    switch.close()
    assert shell.log == ["on 7860 ", "off", "on 7860 ", "off"]


def test_the_command_line_goes_before_the_settings() -> None:
    shell, switch = Shell(), ApiSwitch()
    switch.provide(shell.serve, lambda wanted: replace(wanted, on=True, key="asked"))
    switch.follow(wanted())
    switch.follow(wanted(theme="dark"))
    assert shell.log == ["on 7860 asked"]
    assert switch.served is not None and switch.served.key == "asked"
    switch.close()
    assert switch.served is None


def test_the_settings_show_what_is_served_and_not_what_they_say(tmp_path: Path) -> None:
    """`easel ui --mcp --api-auth …`: key and assistants come from the command line."""
    paths = Paths.below(tmp_path)
    running = Running(paths, Options(api=True, api_port=0, api_key="a long word", mcp=True))
    with build_services(paths) as services:
        running._serve_api(services)
        section = ApiSection(services, Words("en"), None, lambda _name, _value: "")
        shown = html.unescape(section._examples())
        assert not services.settings.api and not services.settings.mcp
        address = services.api.address
        assert f'"url": "{address}/mcp", "headers": {{"Authorization": "Bearer a long word"}}' in shown
        answer = httpx.post(f"{address}/mcp", json={}, headers={"Authorization": "Bearer a long word"}, trust_env=False)
        assert answer.status_code not in (401, 404)
