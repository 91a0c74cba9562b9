"""`/v1/images/edits` and `/v1/images/variations`: forms with files."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from app.http import pictures
from app.http.desk import Desk
from app.http.openai.answers import answer
from app.http.openai.wishes import PictureWish, resolved
from engines.api import Task, UserError

FILE = {"type": "string", "format": "binary"}
VARIED = 0.6  # how much of the picture a variation redraws


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/v1", tags=["OpenAI"])
    shape = _shape({"image": FILE, "mask": FILE}, ["image", "prompt"])

    @found.post("/images/edits", summary="Make pictures from a picture", response_model=None, openapi_extra=shape)
    async def edits(request: Request) -> Response:
        """With a mask, only where it is clear; a picture that is clear in places is its own mask."""
        async with request.form(max_files=20, max_fields=100) as form:
            wish, image, mask = _wish(form), await _file(form, "image"), await _file(form, "mask")
        if image is None:
            raise UserError(
                "api-value", field="image", value="nothing", expected="The picture to edit is sent as a file"
            )
        extra = await run_in_threadpool(_inputs, desk, image, mask)
        wanted = await run_in_threadpool(resolved, desk, wish, extra)
        return await answer(desk, wish, wanted, str(request.base_url), "image_edit")

    @found.post(
        "/images/variations",
        summary="Make pictures like a picture",
        response_model=None,
        openapi_extra=_shape({"image": FILE}, ["image"]),
    )
    async def variations(request: Request) -> Response:
        """The picture without words."""
        async with request.form(max_files=20, max_fields=100) as form:
            wish, image = _wish(form), await _file(form, "image")
        if image is None:
            raise UserError("api-value", field="image", value="nothing", expected="The picture is sent as a file")
        extra = {"task": Task.IMAGE_TO_IMAGE, "init_image": await run_in_threadpool(_kept, desk, image)}
        if wish.strength is None:
            extra["strength"] = VARIED
        wanted = await run_in_threadpool(resolved, desk, wish, extra)
        return await answer(desk, wish, wanted, str(request.base_url), "image_edit")

    return found


def _shape(files: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """The form for the OpenAPI page; it is read by hand because the file's field has two names."""
    fields = PictureWish.model_json_schema()["properties"]
    schema = {"type": "object", "properties": {**fields, **files}, "required": required}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _wish(form: FormData) -> PictureWish:
    """The form's texts as a wish; the same errors as for JSON."""
    values = {name: value for name, value in form.items() if isinstance(value, str) and value != ""}
    try:
        return PictureWish.model_validate(values)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error


async def _file(form: FormData, name: str) -> bytes | None:
    """The first file of a field, called `name` or `name[]`."""
    for key in (name, f"{name}[]"):
        for value in form.getlist(key):
            if isinstance(value, UploadFile):
                return await value.read()
    return None


def _kept(desk: Desk, data: bytes) -> str:
    return pictures.kept(desk.services.inputs, data)


def _inputs(desk: Desk, image: bytes, mask: bytes | None) -> dict[str, Any]:
    """Task, picture and mask. Where the mask's alpha is 0 it is repainted."""
    kept = _kept(desk, image)
    source = mask if mask is not None else image if pictures.has_clear_places(image) else None
    if source is None:
        return {"task": Task.IMAGE_TO_IMAGE, "init_image": kept}
    size = pictures.upright_size(image)
    painted = pictures.kept_mask(desk.services.inputs, source, size, alpha=True)
    return {"task": Task.INPAINT, "init_image": kept, "mask": painted}
