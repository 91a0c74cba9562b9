"""txt2img, img2img, progress, interrupt and skip."""

from __future__ import annotations

import json
import time
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from app import __version__
from app.events import Event
from app.http import pictures
from app.http.a1111.wishes import ImageWish, Wish, image_values, model_of, values_of
from app.http.desk import Desk
from app.http.errors import JobFailed
from app.jobs import Cancelled, Failed, Interrupted, Job
from engines.api import ModelRecord, read_metadata


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @found.post("/txt2img", summary="Make pictures from words")
    async def txt2img(wish: Wish) -> dict[str, Any]:
        """Answers when the pictures are there; a busy computer queues. Pictures are bare base64, `info` is JSON as text."""
        return await generated(desk, wish)

    @found.post("/img2img", summary="Make pictures from a picture")
    async def img2img(wish: ImageWish) -> dict[str, Any]:
        """With a mask only its white is repainted."""
        return await generated(desk, wish)

    @found.get("/progress", summary="How far the running job is")
    async def progress(skip_current_image: bool = False) -> dict[str, Any]:
        """Idle is progress 0 with job_count 0."""
        return await run_in_threadpool(_progress, desk, skip_current_image)

    @found.post("/interrupt", summary="Stop what runs")
    async def interrupt() -> dict[str, Any]:
        """The interrupted request still answers, with the pictures that are finished."""
        await run_in_threadpool(desk.services.orchestrator.cancel_running)
        return {}

    @found.post("/skip", summary="Stop what runs")
    async def skip() -> dict[str, Any]:
        """The same as interrupt: pictures of a job are made one by one and not skipped singly."""
        await run_in_threadpool(desk.services.orchestrator.cancel_running)
        return {}

    return found


async def generated(desk: Desk, wish: Wish) -> dict[str, Any]:
    """The whole answer to a wish, once its pictures are there."""
    extra = await run_in_threadpool(image_values, desk, wish) if isinstance(wish, ImageWish) else {}
    job, record = await _made(desk, wish, extra)
    return await run_in_threadpool(_answer, wish, job, record)


async def _made(desk: Desk, wish: Wish, extra: dict[str, Any]) -> tuple[Job, ModelRecord]:
    record = await run_in_threadpool(model_of, desk, wish)
    values = {**values_of(desk, wish, record), **extra}
    resolved = await run_in_threadpool(desk.resolve, values, record.id)
    job = await desk.finished(await desk.submit(resolved.request, resolved.record))
    if isinstance(job.state, Failed | Interrupted) and not job.artifacts:
        raise JobFailed(job.state.error)
    return job, record


def _answer(wish: Wish, job: Job, record: ModelRecord) -> dict[str, Any]:
    files = [pictures.encode(path) for path in job.files if path.is_file()]
    echo = {**wish.model_dump(), "alwayson_scripts": None}
    if isinstance(wish, ImageWish):
        if wish.include_init_images:
            files += [pictures.bare(each) for each in wish.init_images or ()]
        echo |= {"init_images": None, "mask": None}
    images = files if wish.send_images is not False else []
    return {"images": images, "parameters": echo, "info": json.dumps(_info(job, record), ensure_ascii=False)}


def _info(job: Job, record: ModelRecord) -> dict[str, Any]:
    """A1111's summary of a generation; it goes as text, not as an object."""
    request, made = job.request, job.artifacts
    alone = [request.image(each.index) for each in made] or [request]
    return {
        "prompt": request.prompt,
        "all_prompts": [each.prompt for each in alone],
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [each.negative_prompt for each in alone],
        "seed": request.seed,
        "all_seeds": [each.seed for each in made] or [request.seed],
        "subseed": request.seed,
        "all_subseeds": [each.seed for each in made] or [request.seed],
        "subseed_strength": 0,
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "scheduler": request.scheduler,
        "cfg_scale": request.guidance,
        "steps": request.steps,
        "batch_size": request.count,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": record.title,
        "sd_model_hash": None,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": 0,
        "seed_resize_from_h": 0,
        "denoising_strength": request.strength if request.task.needs_image else None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [read_metadata(path).infotext or "" for path in job.files if path.is_file()],
        "styles": [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(job.created)),
        "clip_skip": request.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": f"Easel {__version__}",
        "job": job.id,
        "stopped": isinstance(job.state, Cancelled),
    }


def _progress(desk: Desk, without_image: bool) -> dict[str, Any]:
    running, waiting = desk.running, len(desk.services.orchestrator.queue.order)
    state: dict[str, Any] = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "",
        "job_count": waiting,
        "job_timestamp": "0",
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    }
    answer = {"progress": 0.0, "eta_relative": 0.0, "state": state, "current_image": None, "textinfo": None}
    if running is None or running.progress is None:
        return answer
    return {**answer, **_running(running, waiting, without_image), "state": {**state, **_state(running, waiting)}}


def _running(event: Event, waiting: int, without_image: bool) -> dict[str, Any]:
    progress = event.progress
    assert progress is not None
    share = progress.step / progress.total if progress.total else 0.0
    preview = progress.preview if not without_image and progress.preview is not None else None
    try:
        image = pictures.encode(preview) if preview is not None else None
    except OSError:  # the engine has written the next one
        image = None
    return {
        # Never 0 while something runs: clients take that for the end.
        "progress": min(max((progress.image + share) / max(progress.images, 1), 0.001), 0.999),
        "eta_relative": event.seconds_left or 0.0,
        "current_image": image,
    }


def _state(event: Event, waiting: int) -> dict[str, Any]:
    progress = event.progress
    assert progress is not None
    return {
        "job": event.job.id,
        "job_count": waiting + progress.images,
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(event.job.created)),
        "job_no": progress.image,
        "sampling_step": progress.step,
        "sampling_steps": progress.total,
    }
