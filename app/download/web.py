"""The one door to other computers. Redirects are followed by hand, tokens stay with their host, silence has an end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from engines.api import NetworkError, UserError

log = logging.getLogger(__name__)

HOPS = 8
JSON_LIMIT = 16 << 20  # bytes; the largest listings of files have under 2 MB
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
AGENT = "Easel"


@dataclass(frozen=True)
class Patience:
    """How long a server may be silent or slow (seconds, bytes a second), and how often a broken line is tried again."""

    connect: float = 15.0
    silence: float = 30.0
    slow_bytes: int = 2000
    slow_seconds: float = 60.0
    tries: int = 6
    pause: float = 1.0
    longest_pause: float = 30.0


class Interruption(Exception):
    """The line broke in a way that may be over in a moment; `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


Tokens = Callable[[str], str]


class Web:
    """A client for models. `tokens` gives the access token for a host, empty where there is none."""

    def __init__(self, tokens: Tokens = lambda _host: "", patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._tokens = tokens
        wait = self.patience
        self._client = httpx.Client(
            follow_redirects=False,
            timeout=httpx.Timeout(wait.connect, read=wait.silence),
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    @contextmanager
    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """The answer at the end of all redirects, its body not read yet.

        Raises `Interruption` for what may pass, `NetworkError` or `UserError` for what will not.
        """
        check_address(address)
        try:
            response = self._follow(address, dict(headers or {}))
            if response.status_code in (401, 403) and (token := self._token(address)):
                response.close()
                more = {**(headers or {}), "Authorization": f"Bearer {token}"}
                response = self._follow(address, more)
            try:
                _refuse(response, address)
                yield response
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise Interruption(f"nothing came for {self.patience.silence:.0f} seconds") from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise Interruption(_plain(error)) from error

    def json(self, address: str) -> Any:
        """The JSON at an address. Raises as `get` does, and `NetworkError("download-answer-broken")`."""
        return _parsed(self.text(address), address)

    def text(self, address: str) -> str:
        """A small text."""
        data = b""
        with self.get(address) as response:
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > JSON_LIMIT:
                    raise NetworkError("download-answer-broken", host=host_of(address), why="it is far too long")
        return data.decode("utf-8", "replace")

    def _token(self, address: str) -> str:
        return self._tokens(host_of(address))

    def _follow(self, address: str, headers: dict[str, str]) -> httpx.Response:
        home, seen = host_of(address), {address}
        for _hop in range(HOPS):
            if host_of(address) != home:
                headers.pop("Authorization", None)  # a token is for the host that it was made for
            response = self._client.send(self._client.build_request("GET", address, headers=headers), stream=True)
            target = response.headers.get("location")
            if not response.is_redirect or target is None:
                return response
            response.close()
            address = _next(address, target, seen)
        raise NetworkError("download-redirects", host=home, why=f"it passed the request on {HOPS} times")


def _next(address: str, target: str, seen: set[str]) -> str:
    following = urljoin(address, target)
    if following in seen:
        raise NetworkError("download-redirects", host=host_of(address), why="it sends the request round in a circle")
    seen.add(following)
    if not _protected(following) or (address.startswith("https:") and not following.startswith("https:")):
        why = f"it points to an address that is not protected: {following[:100]}"
        raise NetworkError("download-redirects", host=host_of(address), why=why)
    return following


def check_address(address: str) -> None:
    """Only https, and plain http on this very computer. Raises `UserError("download-address")`."""
    if not _protected(address):
        raise UserError("download-address", address=address[:200])


def host_of(address: str) -> str:
    """Host and port of an address."""
    return urlsplit(address).netloc.rpartition("@")[2].lower()


def _protected(address: str) -> bool:
    try:
        parts = urlsplit(address)
        named = parts.username is None and bool(parts.hostname)
    except ValueError:
        return False
    return named and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def _refuse(response: httpx.Response, address: str) -> None:
    status, said = response.status_code, response.headers.get("x-error-code", "")
    if response.is_success:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise NetworkError("download-answer-broken", host=host_of(address), why=f"it is packed with {encoding}")
        return
    if status == 416:
        return
    if status in TEMPORARY:
        raise Interruption(f"the server answered {status}")
    page = _model_page(address)
    if said == "GatedRepo":
        raise UserError("hub-gated", page=page)
    if said == "RepoNotFound" or (status == 404 and said):
        raise UserError("hub-unknown", page=page)
    if status in (401, 403):
        raise UserError("download-forbidden", host=host_of(address), status=status)
    code = "download-not-found" if status in (404, 410) else "download-refused"
    raise NetworkError(code, address=address.partition("?")[0][:200], host=host_of(address), status=status)


def _model_page(address: str) -> str:
    """The page of the model whose file or listing the address is."""
    parts = urlsplit(address)
    names = parts.path.removeprefix("/api/models").strip("/").split("/")
    return f"{parts.scheme}://{parts.netloc}/{'/'.join(names[:2])}"


def _parsed(text: str, address: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkError("download-answer-broken", host=host_of(address), why="it is not JSON") from error


def _plain(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
