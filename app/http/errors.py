"""Errors in each dialect's own shape, with a status that tells the caller's mistake from ours."""

from __future__ import annotations

import json
from typing import Any

from app.http.dialects import is_a1111, is_openai
from engines.api import EaselError, ErrorRecord

NOT_FOUND = frozenset(
    {
        "api-no-extension",
        "model-unknown",
        "job-unknown",
        "job-file-unknown",
        "picture-gone",
        "picture-unknown",
        "sampler-unknown",
        "scheduler-unknown",
        "preset-unknown",
    }
)
# What A1111 says, word for word: clients compare.
A1111_WORDS = {"sampler-unknown": "Sampler not found", "init-image-needed": "Init image not found"}
STATUS_BY_EXIT = {2: 400, 3: 507, 4: 502, 130: 409}
OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error"}


class JobFailed(Exception):
    """A job that was accepted and came to nothing; `record` says why."""

    def __init__(self, record: ErrorRecord) -> None:
        super().__init__(record.code)
        self.record = record


def status_of(error: EaselError | ErrorRecord, path: str = "") -> int:
    """The HTTP status of an error: 404 for what is not there, 400 for a wish, 507 for a machine that is too small."""
    if is_a1111(path) and error.code in A1111_WORDS:
        return 404
    return 404 if error.code in NOT_FOUND else STATUS_BY_EXIT.get(error.exit_status, 500)


def shaped(path: str, status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The body of an error for whoever asked for `path`."""
    if is_openai(path):
        kind = OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        code = code or ("invalid_api_key" if status == 401 else None)
        return {"error": {"message": message, "type": kind, "param": param, "code": code}}
    if is_a1111(path):
        return {"detail": message, "error": code or "HTTPException", "body": "", "errors": message}
    return {"error": {"code": code or "refused", "title": message, "cause": "", "fixes": []}}


def shaped_error(path: str, error: EaselError | ErrorRecord) -> dict[str, Any]:
    """The same for one of our own errors, with its words."""
    record = error if isinstance(error, ErrorRecord) else ErrorRecord.of(error)
    words = " ".join(filter(None, (record.title, record.cause, *record.fixes)))
    if is_a1111(path):
        words = A1111_WORDS.get(record.code, words)
    if is_a1111(path) or is_openai(path):
        param = error.params.get("field") if isinstance(error, EaselError) else None
        return shaped(path, status_of(error, path), words, record.code, param)
    names = ("code", "exit_status", "title", "cause", "fixes")
    return {"error": {name: getattr(record, name) for name in names}}


def to_bytes(content: dict[str, Any]) -> bytes:
    """JSON as it goes over the line."""
    return json.dumps(content, ensure_ascii=False).encode()
