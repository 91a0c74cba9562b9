"""The queue survives: after a kill of the whole app it is there, paused, complete, and what was half done goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.promises.window import Window, easel

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

WAITING = 3
MIDDLE = 8.0  # seconds that a picture shall take, so that there are checkpoints in its middle


def submit(window: Window, seed: int, **fields: object) -> str:
    values = {"prompt": f"wish {seed}", "seed": seed, "width": 64, "height": 64, "steps": 4, **fields}
    answer = window.api.post("/api/jobs", json={"request": values, "model": "starter"})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def job(window: Window, name: str) -> dict[str, Any]:
    return window.api.get(f"/api/jobs/{name}").json()


def until(told: Callable[[], bool], what: str, seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def finish(window: Window, name: str) -> bytes:
    until(lambda: job(window, name)["over"], f"{name} ends")
    found = job(window, name)
    assert found["state"] == "succeeded", found["error"]
    return b"".join(window.api.get(each["url"]).content for each in found["files"])


def kill_in_the_middle(home: Path) -> tuple[str, list[str]]:
    """One finished job, one in the middle of its second picture, three that wait, and then SIGKILL."""
    window = Window(home)
    first = submit(window, 1)
    finish(window, first)
    pace = job(window, first)["seconds"]["denoise"] / 4
    running = submit(window, 50, steps=min(150, max(6, int(MIDDLE / pace))), count=2)
    waiting = [submit(window, 100 + number) for number in range(WAITING)]
    until(lambda: len(job(window, running)["files"]) >= 1, "the first picture is there")
    checkpoint = home / "data" / "staging" / running / "checkpoint.safetensors"
    until(lambda: checkpoint.exists(), "a checkpoint of another picture")
    window.kill()
    return running, waiting


def test_the_queue_is_there_after_a_kill(home: Path, promised: Callable[[str, str], None]) -> None:
    running, waiting = kill_in_the_middle(home)
    states = {each["job"]: each["state"] for each in easel(home, "jobs", "list")["jobs"]}
    assert states[running] == "interrupted"
    assert [states[name] for name in waiting] == ["queued"] * WAITING, "a command takes nothing out of the queue"

    window = Window(home)
    told = window.snapshot()
    assert (told["paused"], told["left"], told["order"]) == (True, True, waiting)
    shown = {each["id"]: each for each in told["jobs"]}
    assert shown[running]["state"] == "interrupted" and shown[running]["files"]
    assert "resume" in {each["action"] for each in shown[running]["error"]["buttons"]}, "it offers to go on"
    assert {name: shown[name]["state"] for name in waiting} == dict.fromkeys(waiting, "queued")
    listed = {each["job"]: each["state"] for each in easel(home, "jobs", "list")["jobs"]}
    assert listed == states, "the command says the same while the window is open"
    assert sorted(window.history()) == sorted(each["id"] for each in easel(home, "history", "list")["pictures"])

    assert window.page.post(f"/easel/jobs/{running}/resume", json={}).status_code == 200
    resumed = finish(window, running)
    assert window.snapshot()["order"] == waiting, "the others wait until somebody says so"
    assert window.page.post("/easel/queue", json={"paused": False}).status_code == 200
    for name in waiting:
        finish(window, name)
    made = [Path(each["path"]).stat().st_mtime for each in reversed(easel(home, "history", "list")["pictures"])]
    assert made == sorted(made) and len(made) == 3 + WAITING

    fresh = submit(window, 50, steps=job(window, running)["request"]["steps"], count=2)
    assert finish(window, fresh) == resumed, "the same bytes as without a kill"
    assert sorted(window.history()) == sorted(each["id"] for each in easel(home, "history", "list")["pictures"])
    assert window.stop() == 0
    promised(
        "after a kill the queue is there, paused, complete",
        f"{WAITING} of {WAITING} waiting in their order; the half-done job went on to the same bytes; window and "
        "commands agree",
    )


def test_without_a_window_the_queue_is_made_by_a_command(home: Path, promised: Callable[[str, str], None]) -> None:
    running, waiting = kill_in_the_middle(home)
    made = easel(home, "resume", "--all")["jobs"]
    assert [each["job"] for each in made] == [running, *waiting]
    assert {each["state"] for each in made} == {"succeeded"}
    promised("after a kill `easel resume --all` makes what is left", f"{len(made)} of {1 + WAITING} jobs made")
