"""Every route of the real servers, asked by strangers: the app behind the guard must never hear of it.

The routes are taken from the applications themselves, so that a new one is looked at from its first day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.bootstrap import build_services
from app.guard import other_hosts
from app.paths import Paths
from app.services import Services
from app.ui.server import Server
from engines.api import UserError

pytestmark = pytest.mark.timeout(300)
PORT = 45_678
KEY = "a key of the test"
PASSWORD = "blue tree"


@dataclass
class Spied:
    """A guard before a real app; `reached` holds what came through to the app."""

    guard: Any
    routes: list[tuple[str, str]]
    port: int
    cookie: str = ""
    reached: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        async def spy(scope: Any, receive: Any, send: Any) -> None:
            self.reached.append(scope["path"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        self.guard._app = spy

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask_all(self, asked: list[tuple[str, str, dict[str, Any]]]) -> list[int]:
        """The statuses of these requests: method, path and headers each; a header may be a list of values."""

        async def all_of_them() -> list[int]:
            return [await self._ask(*each) for each in asked]

        with ThreadPoolExecutor(1) as own_thread:  # Playwright keeps a loop in the main one
            return own_thread.submit(asyncio.run, all_of_them()).result()

    async def _ask(self, method: str, path: str, headers: dict[str, Any]) -> int:
        given = {"host": self.host, **headers}
        lines = [
            (name.encode(), value.encode("latin-1"))
            for name, values in given.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.guard({**scope, "headers": lines}, receive, send)
        return sent[0]["status"]


def walk(routes: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, mounted ones too; what stands in braces becomes a word."""
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:  # FastAPI keeps included routers whole
            yield from walk(router.routes, before + getattr(route.include_context, "prefix", ""))
            continue
        path = before + getattr(route, "path", "")
        if getattr(route, "routes", None):
            yield from walk(route.routes, path.rstrip("/"))
            continue
        named = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
        named = named.replace("{path_or_url:path}", "x").replace("{path:path}", "x")
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, named if named.startswith("/") else f"/{named}"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with build_services(Paths.below(tmp_path_factory.mktemp("routes") / "home")) as built:
        yield built


@pytest.fixture(scope="module")
def page(services: Services) -> Iterator[Spied]:
    server = Server(services)
    guard = server._build()  # pyright: ignore
    routes = list(walk(guard._app.routes))
    yield Spied(guard, routes, server.port, f"{server.access.cookie}={server.access.token}")
    server.stop()


@pytest.fixture(scope="module")
def api(services: Services) -> Spied:
    from app.http.app import build_app
    from app.http.desk import Desk
    from app.http.guard import ApiGuard

    app = build_app(Desk(services, PORT))
    return Spied(ApiGuard(app, PORT, key=KEY), list(walk(app.routes)), PORT)


def hosts(port: int) -> list[Any]:
    """Names that lead here, or nearly, and are not ours."""
    names = (
        *("evil.example", "x.localhost", "localhost.", "127.0.0.1.", "localhost.localdomain", "localtest.me"),
        *("[::1]", "[::ffff:127.0.0.1]", "::1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1"),
        *(
            "0",
            "0.0.0.0",
            "127.0.0.2",
            "127.0.0.01",
            "127.0.0.1.nip.io",
            "user@127.0.0.1",
            "127.0.0.1 ",
            "１２７.0.0.1",
        ),
    )
    spelled = [f"{name}:{port}".encode("latin-1", "ignore").decode("latin-1") for name in names]
    whole = ["127.0.0.1", "localhost", f"127.0.0.1:0{port}", f"127.0.0.1:{port + 1}", f"127.0.0.1:{port}.", "", "null"]
    return [*spelled, *whole, [f"127.0.0.1:{port}", "evil.example"], [f"127.0.0.1:{port}"] * 2]


def origins(port: int) -> list[Any]:
    """Pages that are not ours: other places, this computer's other ports, and spellings of ours."""
    return [
        *("https://evil.example", "null", "", f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"),
        *("http://127.0.0.1", "http://localhost", f"http://localhost.:{port}", f"http://[::1]:{port}", "file://"),
        *(f"http://evil.example:{port}", f"http://127.0.0.1:{port}.evil.example", f"http://2130706433:{port}"),
        *(f"http://127.0.0.1:{port}/", f"HTTP://127.0.0.1:{port}", "chrome-extension://abc"),
        [f"http://127.0.0.1:{port}", "https://evil.example"],
    ]


def test_there_are_routes_to_look_at(page: Spied, api: Spied) -> None:
    found, served = {path for _, path in page.routes}, {path for _, path in api.routes}
    assert {"/easel/events", "/easel/jobs/x/resume", "/easel/pictures/x", "/easel/downloads"} <= found
    assert any("upload" in path for path in found), "Gradio's uploads are among them"
    assert any(path.startswith("/gradio_api/") for path in found)
    assert {"/api/jobs", "/sdapi/v1/txt2img", "/v1/images/generations", "/openapi.json"} <= served
    assert len(page.routes) > 80 and len(api.routes) > 30


def test_the_page_answers_nobody_without_its_token(page: Spied) -> None:
    page.reached.clear()
    asked = [
        (method, path, {"origin": f"http://{page.host}", **more})
        for method, path in page.routes
        for more in (
            {},
            {"cookie": f"easel-{page.port}=wrong"},
            {"cookie": f"easel-{page.port}="},
            {"authorization": "Bearer x"},
        )
    ]
    statuses = page.ask_all(asked)
    assert page.reached == []
    assert set(statuses) <= {403, 405}, sorted(set(statuses))


def test_the_page_answers_no_other_page_and_no_other_name(page: Spied) -> None:
    page.reached.clear()
    own = {"cookie": page.cookie, "origin": f"http://{page.host}"}
    strange = [
        *({**own, "host": host} for host in hosts(page.port)),
        *({**own, "origin": origin} for origin in origins(page.port)),
        *({**own, "sec-fetch-site": site} for site in ("cross-site", "same-site")),
    ]
    asked = [(method, path, headers) for method, path in page.routes for headers in strange]
    statuses = page.ask_all(asked)
    assert page.reached == []
    assert set(statuses) <= {400, 403, 405, 421}, sorted(set(statuses))


def test_nothing_is_changed_without_an_origin(page: Spied) -> None:
    page.reached.clear()
    changing = [each for each in page.routes if each[0] not in ("GET", "HEAD", "OPTIONS")]
    changing = [(method, path, {"cookie": page.cookie}) for method, path in changing]
    assert set(page.ask_all(changing)) == {403}
    assert page.reached == [] and len(changing) > 40


def test_bodies_that_are_too_large_reach_no_route(page: Spied, api: Spied) -> None:
    page.reached.clear()
    api.reached.clear()
    own = {"cookie": page.cookie, "origin": f"http://{page.host}", "content-length": str(10**12)}
    posts = [(method, path, own) for method, path in page.routes if method in ("POST", "PUT")]
    assert set(page.ask_all(posts)) == {413}
    keyed = {"authorization": f"Bearer {KEY}", "content-length": str(10**12)}
    posts = [(method, path, keyed) for method, path in api.routes if method == "POST"]
    assert set(api.ask_all(posts)) == {413}
    assert page.reached == [] and api.reached == []


def test_the_window_itself_gets_everything(page: Spied) -> None:
    """Or the tests above would be kept by a guard that lets nobody in."""
    page.reached.clear()
    own = {"cookie": page.cookie, "origin": f"http://{page.host}", "sec-fetch-site": "same-origin"}
    wanted = [(method, path, own) for method, path in page.routes]
    answered = page.ask_all(wanted)
    passed = sum(status == 200 for status in answered)
    assert passed == len(wanted), [each for each, status in zip(wanted, answered, strict=True) if status != 200]
    spelled = page.ask_all([("GET", "/", {**own, "host": f"LocalHost:{page.port}"})])
    assert spelled == [200], "a host's name has no capitals and no small letters"


def test_the_api_answers_nobody_without_its_key(api: Spied) -> None:
    api.reached.clear()
    closed = [(method, path) for method, path in api.routes if not path.startswith("/files/")]
    asked = [(method, path, {}) for method, path in closed]
    assert set(api.ask_all(asked)) == {401}
    assert api.reached == [] and len(closed) > 30
    api.guard._door.wrong.clear()
    wrong = api.ask_all([(method, path, {"x-api-key": "wrong"}) for method, path in closed])
    assert set(wrong) == {401, 429}, "guessing becomes slow"
    assert api.reached == []
    api.guard._door.shut_until = 0.0
    api.guard._door.wrong.clear()


def test_the_api_answers_no_web_page_and_no_other_name(api: Spied) -> None:
    api.reached.clear()
    own = {"authorization": f"Bearer {KEY}"}
    strange = [
        *({**own, "host": host} for host in hosts(api.port)),
        *({**own, "origin": origin} for origin in origins(api.port) if origin not in (f"HTTP://127.0.0.1:{api.port}",)),
        *({**own, "sec-fetch-site": site} for site in ("cross-site", "same-site")),
    ]
    asked = [(method, path, headers) for method, path in api.routes for headers in strange]
    statuses = api.ask_all(asked)
    assert api.reached == []
    assert set(statuses) <= {400, 403, 405, 421}, sorted(set(statuses))


@pytest.mark.parametrize("password", [None, ""])
def test_no_server_listens_to_others_without_a_password(services: Services, password: str | None) -> None:
    with pytest.raises(UserError) as caught:
        Server(services, 0, "0.0.0.0", password)
    assert caught.value.code == "listen-needs-password"


def test_with_a_password_others_come_in_slowly(services: Services) -> None:
    """The real server on every address of this computer, asked by one that is not loopback."""
    server = Server(services, 0, "0.0.0.0", PASSWORD)
    server.start()
    try:
        names = [name for name in other_hosts(server.port) if name[0].isdigit() and not name.startswith("127.")]
        if not names:
            pytest.skip("this computer has no address but loopback")
        address = f"http://{names[0]}"
        with httpx.Client(base_url=address, headers={"Origin": address}, trust_env=False, timeout=60) as stranger:
            assert "type=password" in stranger.get("/").text
            assert stranger.get("/easel/history").status_code == 403
            tries = [stranger.post("/easel/login", data={"password": f"guess {n}"}).status_code for n in range(8)]
            assert tries[0] == 403 and tries[-1] == 429
            assert stranger.post("/easel/login", data={"password": PASSWORD}).status_code == 429, "everybody waits"
            server._guard._door.shut_until = 0.0  # pyright: ignore
            server._guard._door.wrong.clear()  # pyright: ignore
            assert stranger.post("/easel/login", data={"password": PASSWORD}).status_code == 303
            assert stranger.get("/easel/history").status_code == 200
    finally:
        server.stop()
