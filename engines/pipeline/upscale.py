"""A picture made larger and nothing else: no model is loaded, an upscaler at most."""

from __future__ import annotations

import time

from engines import media
from engines.interface import RunContext
from engines.pipeline.passes.plan import upscaled
from engines.records import ModelRecord
from engines.runtime import peak_memory, software_facts
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress, Stage


def upscale_alone(request: GenerationRequest, ctx: RunContext) -> GenerationResult:
    """The request's picture at the request's size. Raises `UserError` for a picture or an upscaler that cannot be read."""
    started = time.perf_counter()
    ctx.check_cancelled()
    ctx.on_progress(Progress(Stage.DECODE))
    picture = upscaled(request, ctx)
    path = ctx.staging / f"image-0000{request.image_format.suffix}"
    nobody = ModelRecord(id=request.model, title="", family="", path=path, loader="", weight_bytes=0)
    facts = software_facts()
    media.save_picture(picture, path, request, nobody, facts, with_metadata=ctx.with_metadata)
    artifact = Artifact(0, path, request.image_format.media_type, request.seed, picture.width, picture.height)
    ctx.on_artifact(artifact)
    return GenerationResult((artifact,), {Stage.DECODE: time.perf_counter() - started}, peak_memory(), facts)
