"""What a request must look like before anybody asks who sent it."""

from __future__ import annotations

import re

from app.guard import SAFE, Asked, Refusal, check_host, check_length, check_method, decoded_path, leads_up

# On Windows Gradio names a file by its quoted path (gradio_client.utils.encode_file_path), so backslashes are in it. Only
# behind a drive's letter: two of them in front would ask another computer.
WINDOWS_FILE = re.compile(rb"/gradio_api/file=[A-Za-z]:\\(?!\\)")


def check_path(asked: Asked) -> Refusal | None:
    """No way upwards in any spelling, and no address of another server."""
    path = decoded_path(asked.raw_path)
    bad = path is None or b"\0" in path or not path.startswith(b"/") or leads_up(path)
    return Refusal(400, "This path cannot be.") if bad or _backslash(asked.raw_path, path) else None


def check_origin(asked: Asked) -> Refusal | None:
    """An origin must be ours, and whatever changes something must name one."""
    origins = asked.all("origin")
    ours = {f"http://{host}" for host in asked.hosts}
    if any(origin not in ours for origin in origins) or len(origins) > 1:
        return Refusal(403, "Another page asked for this.")
    if asked.method not in SAFE and not origins:
        return Refusal(403, "It is not said which page asks for this.")
    return None


def check_site(asked: Asked) -> Refusal | None:
    """Browsers say where a request comes from; "none" is an address that a person opened."""
    allowed = ("same-origin", "none") if asked.method == "GET" else ("same-origin",)
    good = all(site.lower() in allowed for site in asked.all("sec-fetch-site"))
    return None if good else Refusal(403, "Another page asked for this.")


def _backslash(raw: str, path: bytes | None) -> bool:
    return "\\" in raw or (path is not None and b"\\" in path and not WINDOWS_FILE.match(path))


CHECKS = (check_method, check_host, check_path, check_length, check_origin, check_site)
