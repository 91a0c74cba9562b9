"""Who may ask the API: the exact host, listed pages, the key in any of its forms, bodies of a size."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from app.http.guard import ApiGuard
from tests.app.http.conftest import in_own_loop

HOST = "127.0.0.1:7860"
PAGE = "https://a.page.example"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"access-control-allow-origin", b"*")]})
    await send({"type": "http.response.body", "body": str(size).encode()})


def ask(
    headers: dict[str, str],
    method: str = "POST",
    path: str = "/api/jobs",
    key: str = "",
    body: bytes = b"",
    **more: Any,
) -> tuple[int, dict[str, str], bytes]:
    guard = more.get("guard") or ApiGuard(_app, 7860, key=key, origins=[PAGE], max_body=1000)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    lines = [(name.lower().encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": lines,
    }
    in_own_loop(guard(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1]["body"]


def test_programs_on_this_computer_are_let_in() -> None:
    status, headers, _ = ask({})
    assert status == 200
    assert "access-control-allow-origin" not in headers
    assert ask({"host": "localhost:7860"})[0] == 200


@pytest.mark.parametrize("host", ["evil.example:7860", "127.0.0.1:80", "127.0.0.1", "[::1]:7860", ""])
def test_other_hosts_are_refused(host: str) -> None:
    assert ask({"host": host})[0] == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", f"{PAGE}.evil.example"])
def test_other_pages_are_refused(origin: str) -> None:
    status, headers, _ = ask({"origin": origin})
    assert (status, "access-control-allow-origin" in headers) == (403, False)
    preflight = ask({"origin": origin, "access-control-request-method": "POST"}, "OPTIONS")
    assert (preflight[0], "access-control-allow-origin" in preflight[1]) == (403, False)


def test_a_page_that_hides_its_origin_is_refused() -> None:
    assert ask({"sec-fetch-site": "cross-site"}, "GET")[0] == 403
    assert ask({"sec-fetch-site": "same-origin"}, "GET")[0] == 200


def test_a_listed_page_may_ask() -> None:
    status, headers, _ = ask({"origin": PAGE, "sec-fetch-site": "cross-site"})
    assert (status, headers["access-control-allow-origin"]) == (200, PAGE)
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    status, headers, _ = ask(asked, "OPTIONS", key="secret")
    assert (status, headers["access-control-allow-headers"]) == (204, "content-type")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer secret"},
        {"authorization": basic("anybody:secret")},
        {"authorization": basic("secret:")},
        {"x-api-key": "secret"},
    ],
)
def test_the_key_in_any_form(headers: dict[str, str]) -> None:
    assert ask(headers, key="secret")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer x"}, {"authorization": "Basic !"}, {"x-api-key": "S"}],
)
def test_no_key_or_a_wrong_one(headers: dict[str, str]) -> None:
    status, answered, body = ask(headers, key="secret", path="/v1/models")
    assert (status, answered["www-authenticate"]) == (401, "Basic")
    assert json.loads(body)["error"]["code"] == "invalid_api_key"
    assert ask(headers, key="")[0] == 200


def test_a_user_and_password_that_are_the_key_together() -> None:
    assert ask({"authorization": basic("user:word")}, key="user:word")[0] == 200


def test_guessing_is_slow_and_a_missing_key_is_no_guess() -> None:
    guard = ApiGuard(_app, 7860, key="secret")
    assert {ask({}, guard=guard)[0] for _ in range(9)} == {401}
    assert [ask({"x-api-key": "no"}, guard=guard)[0] for _ in range(6)][-1] == 429
    assert ask({"x-api-key": "secret"}, guard=guard)[0] == 429


def test_signed_files_need_no_key() -> None:
    assert ask({}, "GET", "/files/abc/def/0.png", key="secret")[0] == 200


@pytest.mark.parametrize("path", ["/api/../x", "/api/%2e%2e/x", "/files/%252e%252e/x", "/a\\b"])
def test_ways_upwards(path: str) -> None:
    assert ask({}, "GET", path)[0] == 400


def test_bodies_have_a_limit() -> None:
    assert ask({"content-length": "1001"}, body=b"x" * 1001)[0] == 413
    assert ask({}, body=b"x" * 1001)[0] == 413  # a length that nobody announced
    assert ask({"content-length": "many"})[0] == 400
    assert ask({}, body=b"x" * 1000)[2] == b"1000"


def test_errors_have_the_shape_of_their_dialect() -> None:
    assert "detail" in json.loads(ask({"host": "x"}, path="/sdapi/v1/progress")[2])
    assert "message" in json.loads(ask({"host": "x"}, path="/v1/models")[2])["error"]
    assert "title" in json.loads(ask({"host": "x"})[2])["error"]


def test_other_computers_need_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        ApiGuard(_app, 7860, hosts=["192.168.1.5:7860"])
    guard = ApiGuard(_app, 7860, hosts=["192.168.1.5:7860"], key="secret")
    assert ask({"host": "192.168.1.5:7860", "x-api-key": "secret"}, guard=guard)[0] == 200
