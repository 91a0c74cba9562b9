"""The switch of the API: followed, not restarted without need, and off for good when starting fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.api_switch import ApiSwitch, Wanted
from app.settings import Settings


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
    with pytest.raises(OSError, match="taken"):
        switch.follow(wanted(api=True, api_port=1))
    assert switch.address == ""
    switch.follow(wanted(api=True))
    switch.close()
    assert shell.log == ["on 7860 ", "off", "on 7860 ", "off"]


def test_the_command_line_goes_before_the_settings() -> None:
    shell, switch = Shell(), ApiSwitch()
    switch.provide(shell.serve, always=True)
    switch.follow(wanted())
    switch.follow(wanted(theme="dark"))
    assert shell.log == ["on 7860 "]
