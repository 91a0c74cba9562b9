"""Assistants: the protocol's own client lists the tools and draws real pictures; without the wish there is no such door."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from app.bootstrap import build_services
from app.http.server import ApiServer
from app.mcp.door import sent
from app.paths import Paths
from tests.app.http.conftest import Served, in_own_loop

KEY = "a long word that nobody guesses"
SMALL = {"width": 64, "height": 64, "steps": 2, "seed": 3}


@pytest.fixture(scope="module")
def assisted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(tmp_path_factory.mktemp("mcp") / "home", "--mcp", "--key", KEY)
    yield running
    assert running.stop() == 0


def ask(served: Served | ApiServer, act: Callable[[ClientSession], Awaitable[Any]], key: str = KEY) -> Any:
    """What `act` comes to with a session of its own."""

    async def run() -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
            streamable_http_client(f"{served.address}/mcp", http_client=http) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await act(session)

    return in_own_loop(run())


def call(served: Served, tool: str, **values: Any) -> Any:
    return ask(served, lambda session: session.call_tool(tool, values))


def drawn(found: Any) -> tuple[dict[str, Any], Image.Image]:
    assert not found.isError, found
    facts, picture = found.content
    return json.loads(facts.text), Image.open(io.BytesIO(base64.b64decode(picture.data)))


def test_the_tools_are_few_and_say_what_they_do(assisted: Served) -> None:
    tools = {each.name: each for each in ask(assisted, lambda session: session.list_tools()).tools}
    assert set(tools) == {"make_picture", "redraw_picture", "list_models"}
    schema = tools["make_picture"].inputSchema
    assert schema["required"] == ["prompt"]
    assert all(each["description"] for each in schema["properties"].values())
    assert json.loads(call(assisted, "list_models").content[0].text)[0]["id"] == "starter"


def test_a_picture_and_another_one_from_it(assisted: Served) -> None:
    facts, picture = drawn(call(assisted, "make_picture", prompt="a red apple", **SMALL))
    assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert picture.info["parameters"].startswith("a red apple\nSteps: 2")
    assert (facts["model"], facts["files"][0]["seed"]) == ("starter", 3)
    assert httpx.get(facts["files"][0]["url"], trust_env=False).content.startswith(b"\x89PNG")
    later, other = drawn(call(assisted, "redraw_picture", job=facts["job"], prompt="a blue apple", seed=3))
    assert later["job"] != facts["job"] and other.size == (64, 64)
    assert other.tobytes() != picture.tobytes()


def test_a_picture_that_is_too_large_for_an_answer_is_sent_smaller(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (800, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    data, kind = sent(tmp_path / "noise.png")
    assert (kind, Image.open(io.BytesIO(data)).size) == ("jpeg", (1024, 683))
    assert len(data) < (tmp_path / "noise.png").stat().st_size / 2
    Image.new("RGB", (64, 64)).save(tmp_path / "small.webp")
    assert sent(tmp_path / "small.webp") == ((tmp_path / "small.webp").read_bytes(), "webp")


@pytest.mark.parametrize(
    ("tool", "values"),
    [
        ("make_picture", {"prompt": "x", "model": "nobody"}),
        ("make_picture", {"prompt": "x", "width": 100_000, "height": 64}),
        ("redraw_picture", {"job": "0123456789ab", "prompt": "x"}),
        ("redraw_picture", {"job": "/etc/passwd", "prompt": "x"}),
        ("nothing", {}),
    ],
)
def test_mistakes_are_sentences(assisted: Served, tool: str, values: dict[str, Any]) -> None:
    found = call(assisted, tool, **values)
    assert found.isError
    assert found.content[0].text.rstrip(".)'").count(" ") >= 2 and "Traceback" not in found.content[0].text


def test_the_guard_stands_before_it(assisted: Served) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    kinds = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    right = {**kinds, "Authorization": f"Bearer {KEY}"}
    post = assisted.http.post
    assert post("/mcp", json=message, headers=right).status_code == 200
    assert post("/mcp", json=message, headers=kinds).status_code == 401
    assert post("/mcp", json=message, headers={**right, "Host": "evil.example"}).status_code == 421
    assert post("/mcp", json=message, headers={**right, "Origin": "https://evil.example"}).status_code == 403
    assert assisted.http.get("/mcp", headers=right).status_code == 405
    # Nothing else of Gradio is there.
    for path in (
        "/gradio_api/mcp/",
        "/gradio_api/info",
        "/gradio_api/upload",
        "/config",
        "/gradio_api/file=/etc/passwd",
    ):
        assert assisted.http.get(path, headers=right).status_code == 404, path


def test_nobody_gets_it_unasked(served: Served) -> None:
    assert served.http.post("/mcp", json={}).status_code == 404


CALLS = 45  # more than the 40 threads that a server has for what blocks


def test_calls_that_wait_leave_the_server_free_for_others(tmp_path: Path) -> None:
    """In a paused queue, so that no call comes to an end by itself; then their jobs are stopped."""
    headers = {"Authorization": f"Bearer {KEY}"}

    async def others(http: httpx.AsyncClient) -> int:
        """What another program does meanwhile; returns how many calls wait before and after its answers."""
        before = await waiting(http, CALLS)
        assert (await http.get("/models")).json()["models"]
        after = await waiting(http, CALLS)
        for job in after:
            await http.post(f"/jobs/{job}/cancel")
        return len(set(before) & set(after))

    async def act(session: ClientSession) -> Any:
        calls = [session.call_tool("make_picture", {"prompt": f"number {each}", **SMALL}) for each in range(CALLS)]
        async with httpx.AsyncClient(
            base_url=f"{server.address}/api", headers=headers, timeout=60, trust_env=False
        ) as http:
            return await asyncio.gather(others(http), *calls)

    with build_services(Paths.below(tmp_path / "home")) as services:
        services.orchestrator.pause(True)
        server = ApiServer(services, 0, key=KEY, mcp=True)
        server.start()
        try:
            waited, *found = ask(server, act)
        finally:
            server.stop()
    assert waited == CALLS
    assert ["It was stopped." in str(each.content) for each in found] == [True] * CALLS


async def waiting(http: httpx.AsyncClient, count: int) -> list[str]:
    """The ids of the waiting jobs, once there are `count`."""
    async with asyncio.timeout(120):
        while len(ids := (await http.get("/status")).json()["waiting"]) < count:
            await asyncio.sleep(0.1)
        return ids
