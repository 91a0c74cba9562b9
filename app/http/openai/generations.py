"""`/v1/images/generations`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.http.desk import Desk
from app.http.openai.answers import answer
from app.http.openai.wishes import PROMPT_MOST, PictureWish, resolved
from engines.api import Task


class Generation(PictureWish):
    """Pictures from words."""

    prompt: str = Field(min_length=1, max_length=PROMPT_MOST, description="what to draw")


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/v1", tags=["OpenAI"])

    @found.post("/images/generations", summary="Make pictures from words", response_model=None)
    async def generations(wish: Generation, request: Request) -> Response:
        """Answers when the pictures are there, or streams with `stream`. `b64_json` unless `url` is asked for."""
        wanted = await run_in_threadpool(resolved, desk, wish, {"task": Task.TEXT_TO_IMAGE})
        return await answer(desk, wish, wanted, str(request.base_url), "image_generation")

    return found
