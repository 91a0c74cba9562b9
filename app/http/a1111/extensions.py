"""What A1111's clients ask of its extensions: those that Easel has not are refused by name, in A1111's shape."""

from __future__ import annotations

from fastapi import APIRouter

from app.http.desk import Desk
from app.http.dialects import EXTENSIONS
from engines.api import UserError


def router(_desk: Desk) -> APIRouter:
    """The routes of this module; they are no part of the OpenAPI page, because they do nothing."""
    found = APIRouter(include_in_schema=False)
    for name, words in EXTENSIONS.items():
        for path in (f"/{name}", f"/{name}/{{rest:path}}"):
            found.add_api_route(path, _refuser(words), methods=["GET", "POST"], operation_id=f"no-{name}-{len(path)}")
    return found


def _refuser(words: str):  # noqa: ANN202 (FastAPI reads the annotations of what it is given)
    async def refuse() -> None:
        raise UserError("api-no-extension", what=words)

    return refuse
