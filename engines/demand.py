"""What a request asks of memory and time: its largest pass, and the operations of the whole job. Pure; no torch."""

from __future__ import annotations

from engines.accelerators import STEP_COST, Accelerator
from engines.family import EngineFamily
from engines.plan import Demand, ModelSizes
from engines.prompt import used_loras
from engines.shortcuts import work_share
from engines.types import GenerationRequest, Task

USUAL_TILE = 1024  # pixels a side at most, where the request leaves the tiles of an upscaled picture to the model


def demand_of(
    request: GenerationRequest, family: EngineFamily, more_files: bool = False, guides: tuple[int, int] = (0, 0)
) -> Demand:
    """The demand of the request's largest pass. `more_files` says that it uses files beside the model (LoRAs and such).

    `guides` are the numbers in those that stay beside the model, and in the picture encoder; see `engines.guide_sizes`.
    """
    width, height = _largest(request, family)
    together = request.task is Task.TEXT_TO_IMAGE and request.hires is None and family.text.weights
    step = STEP_COST[request.accelerator]
    return Demand(
        width=width,
        height=height,
        frames=request.frames if request.task.makes_video else 1,
        batch=min(request.batch, request.count) if together else 1,
        passes=2 if family.guidance.guided(request.guidance) else 1,
        steps=request.steps_run,
        count=request.count,
        swappable=not more_files and not used_loras(request) and request.accelerator is Accelerator.NONE,
        share=work_share(request, family) * step,
        sure_share=work_share(request, family, surely=True) * step,
        guides=guides[0],
        eyes=guides[1],
        graphs=_graphs(request, family),
    )


def with_demand(request: GenerationRequest, demand: Demand) -> GenerationRequest:
    """The request with the size and length of a smaller demand."""
    return request.with_(width=demand.width, height=demand.height, frames=demand.frames)


def operations(sizes: ModelSizes, family: EngineFamily, demand: Demand) -> float:
    """Multiplications and additions of all denoising: two for each parameter, token, pass, step and picture."""
    drawing = max((sizes.parts[name].parameters for name in sizes.group("denoisers")), default=0)
    tokens = demand.pixels * demand.frames / family.memory.pixels_per_token
    return 2.0 * drawing * tokens * demand.passes * demand.steps * demand.share * demand.count


def _graphs(request: GenerationRequest, family: EngineFamily) -> int:
    """OpenVINO holds the weights again in each of its graphs, and has one for each shape of the calls (two are kept)."""
    if request.accelerator is not Accelerator.OPENVINO:
        return 0
    shortened = request.shortcuts is not None and request.shortcuts.shortens_guidance
    apart = (
        family.guidance.guided(request.guidance) and not family.guidance.together
    )  # the negative prompt has its own length
    return 2 if shortened or apart or request.hires is not None or request.count % request.batch else 1


def _largest(request: GenerationRequest, family: EngineFamily) -> tuple[int, int]:
    if request.task is Task.UPSCALE:
        side = request.tiles.side if request.tiles is not None else 0
        side = side or min(family.defaults.get("width", USUAL_TILE), USUAL_TILE)
        return side, side
    if request.hires is None:
        return request.width, request.height
    return round(request.width * request.hires.scale), round(request.height * request.hires.scale)
