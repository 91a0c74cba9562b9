"""The guard on a real server, asked by raw sockets: who is let in, who is refused, and what each answer carries."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import guard as shared
from app.ui.guard import Access, Guard
from app.ui.guard import access as own
from app.ui.guard.headers import CSP

MAX_BODY = 100_000
SECONDS = 5.0  # no socket and no thread waits longer
PASSWORD = "blue tree"
OURS = (
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "x-frame-options",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
)


async def plain(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.path}?{request.url.query}")


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def forgiving(request: Request) -> Response:
    """Answers 400 whatever happens while it reads, as FastAPI does with a body that it cannot parse."""
    try:
        await request.body()
    except Exception:
        return PlainTextResponse("broken", 400)
    return PlainTextResponse("whole")


async def open_to_all(request: Request) -> Response:
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Credentials": "true",
        "Content-Security-Policy": "default-src *",
    }
    return PlainTextResponse("cors", headers=headers)


async def typed(request: Request) -> Response:
    given = request.query_params
    headers = {"Content-Disposition": given["as"]} if "as" in given else None
    return Response(b"<svg/>", media_type=given["type"], headers=headers)


ROUTES = [
    Route("/", plain),
    Route("/length", length, methods=["POST"]),
    Route("/forgiving", forgiving, methods=["POST"]),
    Route("/cors", open_to_all),
    Route("/typed", typed),
    Route("/easel/pictures/{id}", typed),
    Route("/gradio_api/file={path:path}", typed),
]


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    text: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value


class Probe:
    """A server behind the guard, and a way to ask it anything, right or wrong."""

    def __init__(self, port: int, access: Access) -> None:
        self.port, self.access = port, access
        self.host = f"127.0.0.1:{port}"
        self.cookie = ""

    def raw(self, sent: bytes, method: str = "GET") -> Answer:
        """The answer to these very bytes."""
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
            connection.settimeout(SECONDS)
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            return Answer(answer.status, answer.getheaders(), answer.read().decode())

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"", **headers: Any) -> Answer:
        """What a well-behaved window gets; `headers` (with _ for -) are put in its place, None leaves one out."""
        given: dict[str, str | None] = {"Host": self.host, "Cookie": self.cookie or None, "Connection": "close"}
        if method not in ("GET", "HEAD", "OPTIONS"):
            given |= {"Origin": f"http://{self.host}", "Content-Length": str(len(body))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in given.items() if value is not None),
        ]
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body, method)

    def exchange(self, url: str, **headers: Any) -> Answer:
        return self.ask("/" + url.split("/", 3)[3], **headers)

    def come_in(self) -> None:
        self.cookie = self.exchange(self.access.new_url()).one("set-cookie").split(";")[0]


@contextlib.contextmanager
def served(**options: Any) -> Iterator[Probe]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        access = Access("127.0.0.1", port)
        hosts = [f"{name}:{port}" for name in options.pop("names", ())]
        app = Guard(Starlette(routes=ROUTES), access, max_body=MAX_BODY, hosts=hosts, **options)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            _wait_for(server)
            yield Probe(port, access)
        finally:
            server.should_exit = True
            thread.join(SECONDS)


def _wait_for(server: uvicorn.Server) -> None:
    end = time.monotonic() + SECONDS
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Probe]:
    with served() as probe:
        yield probe


@pytest.fixture
def window(server: Probe) -> Probe:
    """A window that was let in."""
    probe = Probe(server.port, server.access)
    probe.come_in()
    return probe


@pytest.fixture
def listening(clock: SimpleNamespace) -> Iterator[Probe]:
    with served(password=PASSWORD, names=("192.168.1.5",)) as probe:
        yield probe


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The guard's clock, moved by hand."""
    moved = SimpleNamespace(now=1000.0)
    for module in (own, shared):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: moved.now))
    return moved


def test_it_is_quick_to_import() -> None:
    heavy = ("starlette", "fastapi", "gradio", "uvicorn", "numpy", "pydantic")
    code = f"import sys, app.ui.guard; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_window_that_was_let_in_gets_answers(window: Probe) -> None:
    assert window.ask("/?a=1").text == "/?a=1"
    assert window.ask("/length", "POST", b"abc").text == "3"
    assert window.ask("/nowhere").status == 404


# --- who is asked


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"])
def test_our_hosts(window: Probe, host: str) -> None:
    assert window.ask(Host=host.format(port=window.port)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:{port}",
        "x.localhost:{port}",
        "localhost.:{port}",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}0",
        "127.0.0.1:0{port}",
        "127.1:{port}",
        "0.0.0.0:{port}",
        "[::1]:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "me@127.0.0.1:{port}",
        "127.0.0.1:{port},evil.com",
        "",
    ],
)
def test_other_hosts(window: Probe, host: str) -> None:
    assert window.ask(Host=host.format(port=window.port)).status == 421


def test_two_hosts_and_none(window: Probe) -> None:
    line = f"Host: {window.host}\r\n"
    cookie = f"Cookie: {window.cookie}\r\n\r\n"
    for hosts in (line + line, line + "Host: evil.com\r\n", ""):
        assert window.raw(f"GET / HTTP/1.1\r\n{hosts}{cookie}".encode()).status in (400, 421)
    assert window.raw(f"GET / HTTP/1.0\r\n{cookie}".encode()).status == 421
    assert shared.check_host(_asked([("host", window.host)] * 2, window.host)) is not None


def _asked(headers: list[tuple[str, str]], host: str) -> shared.Asked:
    return shared.Asked("GET", "/", "/", "", tuple(headers), frozenset({host}))


# --- who asks


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_our_origins(window: Probe, name: str) -> None:
    origin = f"http://{name}:{window.port}"
    assert window.ask(Origin=origin).status == 200
    assert window.ask("/length", "POST", Origin=origin).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.com",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://x.localhost:{port}",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}.evil.com",
        "HTTP://127.0.0.1:{port}",
        "file://",
    ],
)
def test_other_origins(window: Probe, origin: str) -> None:
    given = origin.format(port=window.port)
    assert window.ask(Origin=given).status == 403
    assert window.ask("/length", "POST", Origin=given).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_something_names_its_origin(window: Probe, method: str) -> None:
    assert window.ask("/length", method, Origin=None).status == 403
    assert window.ask("/length", method, Origin=None, Sec_Fetch_Site="same-origin").status == 403
    assert window.ask("/length", method, Sec_Fetch_Site="same-origin").status in (200, 405)


@pytest.mark.parametrize(
    ("method", "site", "status"),
    [
        ("GET", "same-origin", 200),
        ("GET", "none", 200),
        ("GET", "same-site", 403),
        ("GET", "cross-site", 403),
        ("GET", "whatever", 403),
        ("HEAD", "none", 403),
        ("OPTIONS", "none", 403),
        ("POST", "none", 403),
        ("POST", "same-origin", 200),
        ("POST", "same-site", 403),
        ("POST", "cross-site", 403),
    ],
)
def test_the_site_that_a_browser_tells(window: Probe, method: str, site: str, status: int) -> None:
    path = "/length" if method == "POST" else "/"
    assert window.ask(path, method, Sec_Fetch_Site=site).status == status


def test_a_second_site_hides_behind_no_first_one(window: Probe) -> None:
    sites = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site"
    sent = f"GET / HTTP/1.1\r\nHost: {window.host}\r\nCookie: {window.cookie}\r\n{sites}\r\n\r\n"
    assert window.raw(sent.encode()).status == 403


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get"])
def test_odd_methods(window: Probe, method: str) -> None:
    assert window.ask("/", method).status == 405


# --- the cookie and the token


def test_without_the_cookie(server: Probe, window: Probe) -> None:
    name, value = window.cookie.split("=", 1)
    wrong = [
        "",
        f"{name}=",
        f"{name}=x",
        f"{name}={value}x",
        f"{name}={value[:-1]}",
        f"easel={value}",
        f"x{name}={value}",
    ]
    for cookie in [None, *wrong, f"{name}=é", ";;=;"]:
        assert server.ask(Cookie=cookie).status == 403
        assert server.ask("/length", "POST", Cookie=cookie).status == 403
        assert server.ask("/nowhere", Cookie=cookie).status == 403


@pytest.mark.parametrize("other", ["a=1", 'x={"a": [1, 2]}', "bad name=1", "é=1", "lonely", "easel-{port}=planted", ""])
def test_cookies_of_other_programs_do_not_shut_us_out(window: Probe, other: str) -> None:
    """Cookies know no ports: every server on 127.0.0.1 leaves its own in the same browser, in any form."""
    other = other.replace("{port}", str(window.port))
    assert window.ask(Cookie=f"{other}; {window.cookie}").status == 200
    assert window.ask(Cookie=f"{window.cookie}; {other}").status == 200


def test_ping_needs_nothing(server: Probe) -> None:
    assert server.ask("/easel/ping").text == "ok"
    assert server.ask("/easel/ping/").status == 403
    assert server.ask("/easel/ping", Host="evil.com").status == 421
    assert server.ask("/easel/ping", "POST").status == 403


def test_a_token_becomes_a_cookie_once(server: Probe) -> None:
    url = server.access.new_url()
    assert url.startswith(f"http://127.0.0.1:{server.port}/?token=")
    answer = server.exchange(url, Sec_Fetch_Site="none")
    assert (answer.status, answer.one("location")) == (303, "/")
    cookie, *attributes = answer.one("set-cookie").split("; ")
    assert cookie.startswith(f"easel-{server.port}=") and len(cookie) > 40
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert url.split("token=")[1] not in answer.one("set-cookie")
    assert server.exchange(url).status == 403


def test_each_address_has_its_own_token(server: Probe) -> None:
    urls = {server.access.new_url() for _ in range(5)}
    assert len(urls) == 5
    assert [server.exchange(url).status for url in urls] == [303] * 5


def test_a_wrong_token(server: Probe) -> None:
    for token in ("", "x", "%00", "%C3%A9", "%ED%A0%80", "x" * 5000):
        assert server.ask(f"/?token={token}").status == 403
    assert server.ask(f"/?token={server.access.new_url().split('token=')[1]}", Host="evil.com").status == 421


def test_a_token_counts_for_the_first_page_alone(server: Probe) -> None:
    token = server.access.new_url().split("token=")[1]
    assert server.ask(f"/length?token={token}").status == 403
    assert server.ask(f"/?token={token}", "POST").status == 403
    assert server.ask(f"/?token={token}", "HEAD").status == 403
    assert server.ask(f"/?token={token}").status == 303


def test_an_old_token(clock: SimpleNamespace, server: Probe) -> None:
    old = server.access.new_url()
    clock.now += 119
    young = server.access.new_url()
    clock.now += 2
    assert (server.exchange(old).status, server.exchange(young).status) == (403, 303)


def test_no_more_than_32_tokens_are_out(clock: SimpleNamespace, server: Probe) -> None:
    urls = [server.access.new_url() for _ in range(34)]
    assert [server.exchange(url).status for url in urls] == [403] * 2 + [303] * 32


def test_the_rest_of_the_address_stays(server: Probe) -> None:
    token = server.access.new_url().split("token=")[1]
    answer = server.ask(f"/?a=&__theme=dark&token={token}&b=1&b=2&c=%0d%0aX:%20y")
    assert answer.one("location") == "/?a=&__theme=dark&b=1&b=2&c=%0D%0AX%3A+y"
    assert server.exchange(server.access.new_url(__theme="dark")).one("location") == "/?__theme=dark"


def test_a_stale_token_is_dropped_where_the_cookie_is_good(window: Probe) -> None:
    answer = window.ask("/?token=stale&__theme=dark")
    assert (answer.status, answer.one("location")) == (303, "/?__theme=dark")


def test_secrets_are_not_shown_by_accident(window: Probe) -> None:
    token = window.access.new_url().split("token=")[1]
    assert window.cookie.split("=")[1] not in repr(window.access)
    assert token not in repr(window.access)


# --- what is sent


def test_a_length_over_the_limit_is_refused_before_the_body(window: Probe) -> None:
    answer = window.ask("/length", "POST", Content_Length=str(MAX_BODY + 1), Expect="100-continue")
    assert answer.status == 413
    assert window.ask("/length", "POST", Content_Length="9" * 19).status == 413
    assert window.ask("/length", "POST", b"x" * MAX_BODY).text == str(MAX_BODY)


@pytest.mark.parametrize("path", ["/length", "/forgiving"])
def test_a_chunked_body_is_counted(window: Probe, path: str) -> None:
    assert _chunked(window, path, MAX_BODY // 1000).status == 200
    assert _chunked(window, path, MAX_BODY // 1000 + 1).status == 413


def _chunked(window: Probe, path: str, thousands: int) -> Answer:
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    return window.ask(path, "POST", chunk * thousands + b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Length=None)


def test_a_chunked_body_without_an_end_is_broken_off(window: Probe) -> None:
    head = (
        f"POST /length HTTP/1.1\r\nHost: {window.host}\r\nCookie: {window.cookie}\r\nOrigin: http://{window.host}\r\n"
    )
    sent = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 101
    answer = window.raw(sent)
    assert (answer.status, answer.one("connection")) == (413, "close")


def test_lengths_that_lie(window: Probe) -> None:
    for lie in ("-1", "+3", "3, 4", "abc", "0x3", "²"):
        assert window.ask("/length", "POST", b"abc", Content_Length=lie).status == 400
    assert window.ask("/length", "POST", b"abcdef", Content_Length="3").text == "3"
    both = window.ask("/length", "POST", b"3\r\nabc\r\n0\r\n\r\n", Content_Length="1", Transfer_Encoding="chunked")
    assert (both.status, both.text) in ((200, "3"), (400, both.text))


def test_a_request_behind_a_short_length_is_guarded_too(window: Probe) -> None:
    hidden = f"GET / HTTP/1.1\r\nHost: {window.host}\r\nConnection: close\r\n\r\n"
    head = (
        f"POST /length HTTP/1.1\r\nHost: {window.host}\r\nCookie: {window.cookie}\r\nOrigin: http://{window.host}\r\n"
    )
    with socket.create_connection(("127.0.0.1", window.port), SECONDS) as connection:
        connection.settimeout(SECONDS)
        connection.sendall(f"{head}Content-Length: 3\r\n\r\nabc{hidden}".encode())
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.count(b"HTTP/1.1 403") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/../x",
        "/a/..",
        "/a/../b",
        "/%2e%2e/x",
        "/.%2E/x",
        "/a%2f..%2fb",
        "/%252e%252e/x",
        "/%25252e%25252e/x",
        "/%2525252525252e/x",
        "/a\\b",
        "/a%5cb",
        "/a%255Cb",
        "/..%5cx",
        "/x%00",
        "/x%2500",
        "/..%20/x",
        "/.../x",
        "/gradio_api/file=../x",
        "/gradio_api/file=%2e%2e/x",
        "/gradio_api/file=C:%5Ca%5C..%5Cb",
        "/gradio_api/file=%5C%5Cserver%5Cshare",
        "http://evil.com/",
        "*",
        "x",
    ],
)
def test_paths_that_lead_elsewhere(window: Probe, path: str) -> None:
    assert window.ask(path).status == 400


@pytest.mark.parametrize("path", ["/typed", "/easel/pictures/a..b", "/easel/pictures/100%25", "/easel/pictures/..a"])
def test_paths_that_only_look_odd(window: Probe, path: str) -> None:
    assert window.ask(f"{path}?type=image/png&x=../..").status == 200


def test_gradio_names_files_with_backslashes_on_windows(window: Probe) -> None:
    """gradio_client.utils.encode_file_path quotes the whole path of the file, drive and all."""
    assert window.ask("/gradio_api/file=C%3A%5CUsers%5Cme%5Ca.png?type=image/png").status == 200


# --- what is answered


def test_every_answer_has_our_headers(window: Probe, server: Probe) -> None:
    answers = {
        200: window.ask(),
        303: server.exchange(server.access.new_url()),
        400: window.ask("/.."),
        403: server.ask(),
        404: window.ask("/nowhere"),
        405: window.ask("/", "TRACE"),
        413: window.ask("/length", "POST", Content_Length="999999999"),
        421: server.ask(Host="evil.com"),
    }
    for status, answer in answers.items():
        assert answer.status == status
        assert all(len(answer.all(name)) == 1 for name in OURS), status
    found = answers[200]
    assert [found.one(name) for name in OURS[1:4]] == ["nosniff", "no-referrer", "DENY"]
    assert [found.one(name) for name in OURS[4:6]] == ["same-origin", "same-origin"]
    assert found.one("permissions-policy") == "camera=(), microphone=(), geolocation=()"


def test_cors_is_taken_away_and_the_policy_is_ours(window: Probe) -> None:
    answer = window.ask("/cors")
    assert (answer.status, answer.text) == (200, "cors")
    assert [name for name, _ in answer.headers if name.lower().startswith("access-control")] == []
    assert answer.one("content-security-policy") == CSP
    assert "frame-ancestors 'none'" in CSP and "object-src 'none'" in CSP and "default-src 'self'" in CSP


@pytest.mark.parametrize("path", ["/easel/pictures/x", "/gradio_api/file=x"])
def test_pages_and_drawings_of_others_are_never_shown_as_ours(window: Probe, path: str) -> None:
    for media in ("text/html", "TEXT/HTML; charset=utf-8", "image/svg%2Bxml", "application/xhtml%2Bxml"):
        answer = window.ask(f"{path}?type={media.replace(' ', '')}&as=inline")
        assert answer.one("content-disposition") == "attachment", media
    named = window.ask(f"{path}?type=text/html&as=attachment;filename=a.html")
    assert named.one("content-disposition") == "attachment;filename=a.html"
    assert window.ask(f"{path}?type=image/png").all("content-disposition") == []
    assert window.ask("/typed?type=text/html").all("content-disposition") == []


# --- websockets


def test_a_websocket_without_the_cookie_over_the_wire(server: Probe) -> None:
    upgrade = {"Upgrade": "websocket", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    origin = f"http://{server.host}"
    assert server.ask("/", "GET", b"", Connection="Upgrade", Origin=origin, **upgrade).status == 403


def test_websockets_need_the_same(window: Probe) -> None:
    """Straight into the app: whether uvicorn speaks websockets depends on what else is installed."""
    good = {"host": window.host, "origin": f"http://{window.host}", "cookie": window.cookie}
    assert _websocket(window, good) == "reached"
    for wrong in ({"cookie": ""}, {"host": "evil.com"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert _websocket(window, good | wrong) == "websocket.close"
    assert _websocket(window, good | {"cookie": ""}, "/easel/ping") == "websocket.close"


def _websocket(window: Probe, headers: dict[str, str], path: str = "/") -> str:
    sent: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        sent.append("reached")

    async def send(message: Any) -> None:
        sent.append(message["type"])

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": pairs}
    call = Guard(inner, window.access, max_body=MAX_BODY)(scope, _nothing, send)
    with ThreadPoolExecutor(1) as own_thread:  # Playwright keeps a loop in the main one
        own_thread.submit(asyncio.run, call).result()
    (found,) = sent
    return found


async def _nothing() -> dict[str, Any]:
    return {"type": "websocket.connect"}


# --- the password


def test_other_hosts_need_a_password() -> None:
    access = Access("127.0.0.1", 1)
    for hosts in (["192.168.1.5:1"], iter(["192.168.1.5:1"])):
        with pytest.raises(ValueError):
            Guard(_nothing, access, max_body=1, hosts=hosts)
    for password in ("", None):
        with pytest.raises(ValueError):
            Guard(_nothing, access, max_body=1, password=password, hosts=["192.168.1.5:1"])
    Guard(_nothing, access)


def _try(probe: Probe, password: str, **headers: Any) -> Answer:
    form = f"password={password.replace(' ', '+')}".encode()
    return probe.ask("/easel/login", "POST", form, Content_Type="application/x-www-form-urlencoded", **headers)


def test_the_password_opens(listening: Probe) -> None:
    away = {"Host": f"192.168.1.5:{listening.port}", "Origin": f"http://192.168.1.5:{listening.port}"}
    page = listening.ask("/easel/login", Host=away["Host"])
    assert page.status == 200 and "type=password" in page.text
    assert page.one("content-type").startswith("text/html")
    # Under the header's "no-referrer" a browser would send the form with "Origin: null", which is refused.
    assert "<meta name=referrer content=same-origin>" in page.text
    assert _try(listening, "wrong", **away).status == 403
    answer = _try(listening, PASSWORD, **away)
    assert (answer.status, answer.one("location")) == (303, "/")
    listening.cookie = answer.one("set-cookie").split(";")[0]
    assert listening.ask(Host=away["Host"]).status == 200


def test_nothing_else_opens_without_the_cookie(listening: Probe) -> None:
    assert "type=password" in listening.ask("/").text
    assert listening.ask("/length", "POST", PASSWORD.encode()).status == 403
    assert listening.ask("/nowhere").status == 403
    assert _try(listening, PASSWORD, Origin="null").status == 403
    assert _try(listening, PASSWORD, Origin=None).status == 403
    assert _try(listening, PASSWORD, Host="192.168.1.6:1").status == 421
    assert _try(listening, "").status == 403
    assert listening.exchange(listening.access.new_url()).status == 303


def test_a_long_password_is_not_read(listening: Probe) -> None:
    answer = listening.ask("/easel/login", "POST", Content_Length="1001", Expect="100-continue")
    assert answer.status == 413
    assert _chunked(listening, "/easel/login", 2).status == 413


def test_there_is_no_login_where_there_is_no_password(server: Probe) -> None:
    assert server.ask("/easel/login").status == 403
    assert _try(server, "").status == 403


def test_guessing_is_slow(listening: Probe, clock: SimpleNamespace) -> None:
    for _ in range(4):
        assert _try(listening, "wrong").status == 403
        clock.now += 11
    assert _try(listening, "wrong").status == 403  # the fifth within a minute
    for wait in (0, 30, 29):
        clock.now += wait
        assert _try(listening, PASSWORD).status == 429
    clock.now += 2
    assert _try(listening, PASSWORD).status == 303


def test_wrong_passwords_now_and_then_shut_nobody_out(listening: Probe, clock: SimpleNamespace) -> None:
    for _ in range(8):
        assert _try(listening, "wrong").status == 403
        clock.now += 16
    assert _try(listening, PASSWORD).status == 303
