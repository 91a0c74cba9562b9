"""The models, as OpenAI lists its own; and which of them a request means."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from app.http.desk import Desk
from engines.api import ModelRecord, UserError

# Names that clients send without being asked, because they know no server but one.
THEIRS = ("dall-e", "gpt-image", "gpt-4o", "chatgpt-image", "sora")


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/v1", tags=["OpenAI"])

    @found.get("/models", summary="The models")
    async def models() -> dict[str, Any]:
        records = await run_in_threadpool(desk.services.models.all)
        return {"object": "list", "data": [_model(each) for each in records]}

    @found.get("/models/{model:path}", summary="One model")
    async def model(model: str) -> dict[str, Any]:
        return _model(await run_in_threadpool(desk.find_model, model))

    @found.delete("/models/{model:path}", summary="Not here: a model's files are the person's")
    async def delete(model: str) -> None:
        why = "A model's files are the person's, who removes them in the window"
        raise UserError("api-not-here", what=f"a way to delete {model} over the API", why=why)

    return found


def named(desk: Desk, model: str | None) -> str | None:
    """The id of the model that is meant; None for the usual one, which their own names mean too."""
    if not model or model.lower() in ("auto", "default"):
        return None
    if model.lower().startswith(THEIRS) and all(each.id != model for each in desk.services.models.all()):
        return None
    return desk.find_model(model).id


def _model(record: ModelRecord) -> dict[str, Any]:
    return {"id": record.id, "object": "model", "created": 0, "owned_by": "easel"}
