"""The stand-in's server: metadata, resolve with the hub's headers, files with ranges and validators, all on loopback."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.hub.shelf import Repository, Stored
from tests.hub.tricks import Orders, Trick

API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
CHUNK = 16 * 1024
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@dataclass(frozen=True)
class Asked:
    """A request as the tests look at it afterwards."""

    method: str
    path: str
    range: str
    if_range: str
    authorization: str


@dataclass
class Hub:
    """A running stand-in; `repositories` and `plain` can change at any time. A context manager."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    plain: dict[str, Stored] = field(default_factory=dict)
    token: str = "hf_right"
    rate: int = 0  # bytes a second of each answer; 0 is as fast as it goes
    orders: Orders = field(default_factory=Orders)
    asked: list[Asked] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)  # body bytes by the path that was asked for

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, repository: Repository) -> Repository:
        self.repositories[repository.id] = repository
        return repository

    def order(self, path: str, kind: str, **how: Any) -> None:
        """Misbehave at the next answers for paths that contain `path`."""
        self.orders.add(path, kind, **how)

    def blob(self, sha256: str) -> Stored | None:
        """A large file by its hash."""
        everything = (stored for repository in self.repositories.values() for stored in repository.files.values())
        return next((stored for stored in everything if stored.sha256 == sha256), None)

    @property
    def file_bytes(self) -> int:
        """All bytes of files that were sent, wherever from."""
        return sum(self.sent.values())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        # Bytes that are still in our own buffer when the client dies were never on the line: keep that buffer small.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        super().setup()

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        header = self.headers.get
        self.hub.asked.append(
            Asked(self.command, path, header("Range", ""), header("If-Range", ""), header("Authorization", ""))
        )
        trick = self.hub.orders.take(path)
        if trick is not None and self._refuses(trick):
            return
        if (found := API.fullmatch(path)) is not None:
            self._api(*found.groups())
        elif (found := RESOLVE.fullmatch(path)) is not None:
            self._resolve(*found.groups(), trick)
        elif path.startswith("/cdn/"):
            self._blob(path, trick)
        else:
            stored = self.hub.plain.get(path.strip("/"))
            self._file(stored, path, trick) if stored is not None else self._short(404)

    # Answers without a file

    def _refuses(self, trick: Trick) -> bool:
        match trick.kind:
            case "status":
                self._short(trick.number, {"Retry-After": "0"})
            case "circle":
                self._short(302, {"Location": self.path})
            case "to-file":
                self._short(302, {"Location": "file:///etc/passwd"})
            case "to-elsewhere":
                self._short(302, {"Location": "http://models.example/file.safetensors"})
            case "html":
                self._short(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Please log in</html>" * 40)
            case _:
                return False
        return True

    def _short(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _api(self, name: str, what: str | None, revision: str | None) -> None:
        repository = self._allowed(name, metadata=True)
        if repository is None:
            return None
        if revision not in (None, "main", repository.commit):
            return self._short(404, {"X-Error-Code": "RevisionNotFound"})
        answer = repository.tree() if what == "tree" else repository.info()
        return self._short(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _allowed(self, name: str, metadata: bool = False) -> Repository | None:
        """The repository if this client may see it; metadata of gated ones are open to everybody."""
        repository = self.hub.repositories.get(name)
        known = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if repository is None or (repository.private and not known):
            self._short(401 if not known else 404, {"X-Error-Code": "RepoNotFound"})
            return None
        if repository.gated and not known and not metadata:
            given = bool(self.headers.get("Authorization"))
            self._short(
                403 if given else 401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}
            )
            return None
        return repository

    def _resolve(self, name: str, revision: str, path: str, trick: Trick | None) -> None:
        repository = self._allowed(name)
        if repository is None:
            return None
        if revision not in ("main", repository.commit) or path not in repository.files:
            return self._short(404, {"X-Error-Code": "EntryNotFound"})
        stored = repository.files[path]
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{stored.etag}"', "Accept-Ranges": "bytes"}
        if not stored.large:
            return self._file(stored, f"/{name}/{path}", trick, headers)
        linked = {"X-Linked-Size": str(len(stored.data)), "X-Linked-ETag": f'"{stored.sha256}"'}
        # As on the hub, large files lie on another host: tokens must not travel there.
        location = {"Location": f"{self.hub.address.replace('127.0.0.1', 'localhost')}/cdn/{stored.sha256}?file={path}"}
        if trick is not None:
            self.hub.orders.open.insert(0, Trick("/cdn/" + stored.sha256, trick.kind, 1, trick.after, trick.rate))
        return self._short(302, headers | linked | location)

    def _blob(self, path: str, trick: Trick | None) -> None:
        stored = self.hub.blob(path.removeprefix("/cdn/"))
        self._file(stored, path, trick) if stored is not None else self._short(403)

    # Files

    def _file(self, stored: Stored, path: str, trick: Trick | None, more: dict[str, str] | None = None) -> None:
        kind = trick.kind if trick is not None else ""
        etag = f'"{stored.etag}"' if kind != "new-etag" else '"another-version"'
        data = stored.data if kind != "pointer" else POINTER
        start, end = self._range(len(data), etag) if kind != "ignore-range" else (0, len(data))
        partial = (start, end) != (0, len(data))
        if start >= len(data) > 0:
            return self._short(416, {"Content-Range": f"bytes */{len(data)}"})
        part = data[start:end]
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **(more or {})}
        if kind == "no-validator":
            headers.pop("ETag")
        if partial:
            shown = start + 10 if kind == "wrong-range" else start
            headers["Content-Range"] = f"bytes {shown}-{end - 1}/{len(data)}"
        assert trick is not None or not kind
        part = self._spoiled(part, start, headers, trick)
        headers.setdefault("Content-Length", str(len(part)))
        self.send_response(206 if partial else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send(part, path, trick)
        return None

    def _spoiled(self, part: bytes, start: int, headers: dict[str, str], trick: Trick | None) -> bytes:
        if trick is None:
            return part
        match trick.kind:
            case "flip" if start <= trick.after < start + len(part):
                spoiled = bytearray(part)
                spoiled[trick.after - start] ^= 1
                return bytes(spoiled)
            case "truncate":
                return part[: trick.after]
            case "overrun":
                return part + b"\0" * 5000
            case "name":
                headers["Content-Disposition"] = trick.text
            case "gzip":
                headers["Content-Encoding"] = "gzip"
                return gzip.compress(part)
        return part

    def _range(self, size: int, etag: str) -> tuple[int, int]:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None or self.headers.get("If-Range", etag) != etag:
            return 0, size
        return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size

    def _send(self, part: bytes, path: str, trick: Trick | None) -> None:
        kind = trick.kind if trick is not None else ""
        rate = trick.rate if trick is not None and kind == "slow" else self.hub.rate
        begun, done = time.monotonic(), 0
        while done < len(part):
            if trick is not None and kind in ("drop", "stall") and done >= trick.after:
                return self._end(kind)
            step = min(CHUNK, max(1, rate // 20)) if rate else CHUNK
            if trick is not None and kind in ("drop", "stall"):
                step = min(step, trick.after - done)
            with contextlib.suppress(OSError):
                self.wfile.write(part[done : done + step])
                self.hub.sent[path] = self.hub.sent.get(path, 0) + min(step, len(part) - done)
                done += step
                if rate and self.hub.closing.wait(max(0.0, begun + done / rate - time.monotonic())):
                    return None
                continue
            self.close_connection = True
            return None
        return None

    def _end(self, kind: str) -> None:
        """Cut the line in the middle, or say nothing any more."""
        self.close_connection = True
        if kind == "stall":
            self.hub.closing.wait(60)
