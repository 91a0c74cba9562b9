"""What is done with pictures that are there: their metadata, and making them larger. Memory given back and taken."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from app.http import pictures
from app.http.a1111.lists import PLAIN_UPSCALERS, upscaler_models
from app.http.desk import Desk, file_of
from app.http.errors import JobFailed
from app.jobs import Failed, Interrupted
from engines.api import PIXEL_FILTERS, Task, UserError, read_metadata_of, spelled_upscaler

LARGEST_FACTOR = 16.0


class Info(BaseModel):
    """A picture as base64."""

    image: str = ""


class Upscale(BaseModel):
    """How a picture is made larger: by a factor (`resize_mode` 0) or to a size (1)."""

    model_config = ConfigDict(extra="ignore")

    resize_mode: int = 0
    upscaling_resize: float = Field(default=2, gt=0, le=LARGEST_FACTOR)
    upscaling_resize_w: int = Field(default=512, ge=0, le=16384)
    upscaling_resize_h: int = Field(default=512, ge=0, le=16384)
    upscaling_crop: bool = True
    upscaler_1: str | None = Field(default="None", description="a name of GET upscalers")


class UpscaleOne(Upscale):
    """One picture."""

    image: str


class Named(BaseModel):
    """One picture of several."""

    data: str
    name: str = ""


class UpscaleMany(Upscale):
    """Several pictures."""

    imageList: list[Named] = Field(default_factory=list, max_length=100)  # noqa: N815 (A1111's name)


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @found.post("/png-info", summary="How a picture was made")
    async def png_info(wish: Info) -> dict[str, Any]:
        """The infotext, and its values as texts; empty for a picture that says nothing."""
        return await run_in_threadpool(_png_info, wish.image)

    @found.post("/extra-single-image", summary="Make a picture larger")
    async def extra_single_image(wish: UpscaleOne) -> dict[str, str]:
        return {"html_info": "", "image": await _enlarged(desk, wish, wish.image)}

    @found.post("/extra-batch-images", summary="Make pictures larger")
    async def extra_batch_images(wish: UpscaleMany) -> dict[str, Any]:
        made = [await _enlarged(desk, wish, each.data) for each in wish.imageList]
        return {"html_info": "", "images": made}

    @found.post("/unload-checkpoint", summary="Give the model's memory back")
    async def unload_checkpoint() -> dict[str, Any]:
        """When something runs nothing happens."""
        await run_in_threadpool(desk.services.orchestrator.unload)
        return {}

    @found.post("/reload-checkpoint", summary="Get the engine ready")
    async def reload_checkpoint() -> dict[str, Any]:
        await run_in_threadpool(desk.services.orchestrator.warm_up)
        return {}

    @found.post("/interrogate", summary="Not here: Easel describes no pictures")
    async def interrogate() -> None:
        raise UserError("api-not-here", what="interrogate", why="No model that describes pictures belongs to it")

    return found


def _png_info(image: str) -> dict[str, Any]:
    if not image.strip():
        return {"info": "", "items": {}, "parameters": {}}
    found = read_metadata_of(pictures.decode(image))
    items = {"easel": found.record} if found.record else {}
    return {"info": found.infotext or "", "items": items, "parameters": dict(found.settings)}


async def _enlarged(desk: Desk, wish: Upscale, image: str) -> str:
    """By a filter at once; by an upscaler model as a job in the queue, like everything that takes its time."""
    if spelled_upscaler(wish.upscaler_1 or "None") in PLAIN_UPSCALERS:
        return await run_in_threadpool(_larger, wish, image)
    models = await run_in_threadpool(upscaler_models, desk)
    if wish.upscaler_1 not in models:
        allowed = f"The upscalers are {', '.join((*PLAIN_UPSCALERS, *models))}"
        raise UserError("api-value", field="upscaler_1", value=wish.upscaler_1, expected=allowed)
    data = pictures.decode(image)
    width, height = _size(wish, pictures.upright_size(data))
    values = {
        "task": Task.UPSCALE,
        "init_image": await run_in_threadpool(pictures.kept, desk.services.inputs, data),
        "upscaler": wish.upscaler_1,
        "width": width,
        "height": height,
        "image_format": "png",
    }
    wanted = await run_in_threadpool(desk.resolve, values)
    job = await desk.finished(await desk.submit(wanted.request, wanted.record))
    if isinstance(job.state, Failed | Interrupted):
        raise JobFailed(job.state.error)
    return await run_in_threadpool(pictures.encode, file_of(job, 0))


def _larger(wish: Upscale, image: str) -> str:
    import base64

    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(pictures.opened(pictures.decode(image)))
    way = Image.Resampling[PIXEL_FILTERS.get(spelled_upscaler(wish.upscaler_1 or ""), "LANCZOS")]
    size = _size(wish, picture.size)
    if size[0] * size[1] > pictures.PIXEL_LIMIT:
        raise UserError(
            "api-value", field="upscaling_resize", value=f"{size[0]}x{size[1]}", expected="At most 64 million pixels"
        )
    plain = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    made = ImageOps.fit(plain, size, way) if wish.resize_mode == 1 and wish.upscaling_crop else plain.resize(size, way)
    return base64.b64encode(pictures.as_png(made)).decode("ascii")


def _size(wish: Upscale, size: tuple[int, int]) -> tuple[int, int]:
    if wish.resize_mode == 1 and wish.upscaling_resize_w and wish.upscaling_resize_h:
        return wish.upscaling_resize_w, wish.upscaling_resize_h
    return tuple(max(1, round(side * wish.upscaling_resize)) for side in size)  # pyright: ignore
