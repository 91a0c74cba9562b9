"""`easel self-test`: a tiny random-weight model of every family, made and run for real through the worker."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.measured import Measured
from app.models import ModelStore
from app.planning import Planner
from engines.api import (
    Artifact,
    EaselError,
    EngineFamily,
    GenerationRequest,
    InternalError,
    ModelRecord,
    RunContext,
    Task,
    WorkerEngine,
    families_with_variants,
    make_tiny_models,
    read_metadata,
)

GIVEN = "given"  # an input of the request; the file itself is in the run's context


@dataclass(frozen=True)
class CheckResult:
    """One family and task: whether it worked, in how many seconds, and what went wrong."""

    family: str
    task: str
    ok: bool
    seconds: float
    detail: str = ""


def run(on_result: Callable[[CheckResult], None] = lambda _result: None) -> tuple[CheckResult, ...]:
    """Try every task of every family; each picture is made twice and must have the same bytes."""
    with tempfile.TemporaryDirectory(prefix="easel-self-test-") as name:
        folder = Path(name)
        _make_models(folder / "models")
        models = ModelStore((folder / "models",))
        engine = WorkerEngine(folder / "engine.log")
        try:
            return tuple(_check_all(engine, models, folder, on_result))
        finally:
            engine.unload()


def _make_models(folder: Path) -> None:
    """In a process of its own, because making them imports torch."""
    process = multiprocessing.get_context("spawn").Process(
        target=make_tiny_models, args=(folder, families_with_variants())
    )
    process.start()
    process.join()
    if process.exitcode:
        raise InternalError("internal", what=f"making the tiny models ended with exit code {process.exitcode}")


def _check_all(
    engine: WorkerEngine, models: ModelStore, folder: Path, on_result: Callable[[CheckResult], None]
) -> list[CheckResult]:
    results = []
    for each in families_with_variants():
        if not all(each.detection.variants[name].alone for name in each.variants):
            continue  # the model store lists no such model by itself
        for task in each.tasks:
            results.append(_check(engine, each, models, task, folder / f"{each.key}-{task}"))
            on_result(results[-1])
    return results


def _check(engine: WorkerEngine, each: EngineFamily, models: ModelStore, task: Task, folder: Path) -> CheckResult:
    started = time.perf_counter()
    try:
        record = models.get(f"tiny-{each.key}")
        request = tiny_request(each, record, task)
        first, second = (_make(engine, record, request, folder / name) for name in ("first", "second"))
        problem = _problem(first, second, request)
    except EaselError as error:
        problem = f"{error.code}: {error}"
    return CheckResult(each.key, str(task), not problem, time.perf_counter() - started, problem)


def tiny_request(each: EngineFamily, record: ModelRecord, task: Task) -> GenerationRequest:
    """The smallest sensible request for the family's tiny model."""
    values = {**each.defaults, "width": each.tiny.width, "height": each.tiny.height, "steps": 2, "seed": 1}
    values["strength"] = 0.75  # of two steps, one is left
    if each.video is not None:
        values["frames"] = each.video.nearest(1)[0]
        if each.video.last_image and task.needs_image:
            values["last_image"] = GIVEN
    values |= {name: GIVEN for name, needed in _needs(task).items() if needed}
    return GenerationRequest(task=task, model=record.id, prompt="a red apple", **values)


def _needs(task: Task) -> dict[str, bool]:
    return {"init_image": task.needs_image, "mask": task.needs_mask, "init_video": task.needs_video}


def _make(engine: WorkerEngine, record: ModelRecord, request: GenerationRequest, folder: Path) -> Artifact:
    folder.mkdir(parents=True)
    plan = Planner(Measured(folder / "measured.json")).plan(request, record)
    ctx = RunContext(staging=folder, inputs=_inputs(request, folder), plan=plan)
    engine.load(record, ctx)
    return engine.generate(request, ctx).artifacts[0]


def _inputs(request: GenerationRequest, folder: Path) -> dict[str, Path]:
    from PIL import Image

    size = (request.width, request.height)
    picture = Image.radial_gradient("L").resize(size).convert("RGB")
    mask = Image.linear_gradient("L").resize(size).point([0] * 128 + [255] * 128)
    inputs: dict[str, Path] = {}
    for name in ("init_image", "last_image", "mask"):
        if getattr(request, name) is not None:
            inputs[name] = folder / f"{name}.png"
            (mask if name == "mask" else picture).save(inputs[name])
    if request.init_video is not None:
        inputs["init_video"] = folder / "init_video.gif"
        turned = [picture.rotate(10 * number) for number in range(request.frames)]
        turned[0].save(inputs["init_video"], save_all=True, append_images=turned[1:], duration=100, loop=0)
    return inputs


def _problem(first: Artifact, second: Artifact, request: GenerationRequest) -> str:
    """What is wrong with the two pictures; empty when nothing is."""
    if (first.width, first.height) != (request.width, request.height):
        return f"the picture is {first.width}x{first.height}, not {request.width}x{request.height}"
    if first.path.read_bytes() != second.path.read_bytes():
        return "the same request gave two different pictures"
    if read_metadata(first.path).request != request:
        return "the picture does not say how it was made"
    return ""
