"""What a person means by an address: a repository of the hub, one file of it, or a file anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from app.download.hub import Wanted, plan_repository
from app.download.plan import HUB, PICKLES, WEIGHTS, Piece, Plan, safe_name, suffix_of
from app.download.web import Interruption, Web, check_address, host_of
from engines.api import NetworkError, UserError

HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
REPOSITORY = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w.-]+))?(?::(.+))?")
PAGE = re.compile(r"/(\w[\w.-]*/\w[\w.-]*)(?:/(tree|blob|resolve)/([^/]+)(?:/(.+))?)?/?")


def plan_address(web: Web, endpoint: str, text: str, variant: str = "", card: Mapping[str, Any] | None = None) -> Plan:
    """A plan for whatever was pasted. Raises `UserError("download-address")` for what is neither address nor repository."""
    wanted = understand(text, endpoint)
    if isinstance(wanted, Wanted):
        wanted = Wanted(wanted.repository, wanted.revision, wanted.file, wanted.variant or variant)
        return _patiently(lambda: plan_repository(web, endpoint, wanted, card), endpoint)
    return _patiently(lambda: _plan_file(web, wanted, card), wanted)


def understand(text: str, endpoint: str = HUB) -> Wanted | str:
    """A repository, or the address of a file."""
    text = text.strip()
    if (found := REPOSITORY.fullmatch(text)) is not None and "://" not in text:
        return Wanted(found[1], found[2] or "main", found[3] or "")
    check_address(text)
    parts = urlsplit(text)
    if host_of(text) not in HUB_HOSTS | {host_of(endpoint)}:
        return text
    page = PAGE.fullmatch(unquote(parts.path))
    if page is None or (not page[2] and suffix_of(page[1]) in WEIGHTS):
        return text
    file = page[4] if page[2] in ("blob", "resolve") else ""
    return Wanted(page[1], page[3] or "main", file or "")


def _patiently(run: Any, address: str) -> Plan:
    """A plan is made while a person waits: a broken line is tried once more and then said."""
    try:
        return run()
    except Interruption:
        try:
            return run()
        except Interruption as error:
            raise NetworkError("download-no-connection", host=host_of(address), why=error.why) from error


def _plan_file(web: Web, address: str, card: Mapping[str, Any] | None) -> Plan:
    """Look at the first byte of the file: that tells size and name without fetching it."""
    with web.get(address, {"Range": "bytes=0-0"}) as response:
        headers = response.headers
        if headers.get("content-type", "").startswith("text/html"):
            raise NetworkError("download-is-a-page", host=host_of(address))
        total = headers.get("content-range", "").rpartition("/")[2]
        length = total if response.status_code == 206 else headers.get("content-length", "")
    name = file_name(address, headers.get("content-disposition", ""))
    size = int(length) if length.isdigit() else None
    piece = Piece(path=name, address=address, size=size)
    title = str((card or {}).get("title") or name.rpartition(".")[0])
    return Plan(
        title=title, source=address.partition("?")[0], name=name, single=True, pieces=(piece,), card=dict(card or {})
    )


def file_name(address: str, disposition: str) -> str:
    """The address's own last part, else what the server calls it: a name and nothing more, of a kind that Easel reads."""
    own = safe_name(unquote(urlsplit(address).path))
    told = re.search(r"filename\*=(?:UTF-8|utf-8)''([^;]+)|filename=\"?([^\";]+)", disposition)
    other = safe_name(unquote(told[1]) if told[1] else told[2]) if told is not None else ""
    for name in (own, other):
        if suffix_of(name) in WEIGHTS:
            return name
    refused = next((suffix_of(name) for name in (own, other) if suffix_of(name) in PICKLES), "")
    if refused:
        raise UserError("download-can-run-code", name=own, suffix=refused)
    raise UserError("download-kind-unknown", name=own, kinds=", ".join(WEIGHTS))
