"""A picture over HTTP, the server's and its engine's time together, in turn with a picture of plain diffusers in its process."""

from __future__ import annotations

from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import Figure, Goal
from app.benchmark.programs import Served
from engines.api import GenerationRequest, Task


def measure(bench: Bench) -> Iterator[Figure]:
    """Over the door that A1111's clients use. One pair more than asked for warms both up."""
    if bench.request.task is not Task.TEXT_TO_IMAGE:
        return
    bench.say("pictures over HTTP, in turn")
    pairs = []
    with Served(bench.home()) as served:
        for easel_first in bench.turns(bench.pairs + 1):
            request = bench.another()
            plain = None if easel_first else bench.plain.picture(request)
            _answer, took = served.post("/sdapi/v1/txt2img", _wish(request))
            plain = plain or bench.plain.picture(request)
            pairs.append((took.cpu, plain.whole.cpu))
    goal = Goal(0.19, "easel", stretch=0.13) if bench.tiny else None
    yield Figure.of_pairs("a picture over HTTP", pairs[1:]).held_against(goal)


def _wish(request: GenerationRequest) -> dict[str, object]:
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "steps": request.steps,
        "width": request.width,
        "height": request.height,
        "cfg_scale": request.guidance,
        "sampler_name": request.sampler,
        "scheduler": request.scheduler,
        "seed": request.seed,
        "override_settings": {"sd_model_checkpoint": request.model},
    }
