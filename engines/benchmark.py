"""Easel against plain diffusers, on the same weights, in one process and in turn: `python -m engines.benchmark`.

Turns cancel the drift of a busy machine; the figure to read is the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.interface import RunContext
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.runtime import peak_memory, prepare_environment
from engines.types import GenerationRequest, Task


class Plain:
    """What somebody would write who uses diffusers directly: one pipeline, one call, one save."""

    def __init__(self, record: ModelRecord) -> None:
        import diffusers

        name = REGISTRY.of(record).pipelines[Task.TEXT_TO_IMAGE]
        self.pipe = getattr(diffusers, name).from_pretrained(record.path, local_files_only=True, use_safetensors=True)
        self.pipe.set_progress_bar_config(disable=True)

    def picture(self, request: GenerationRequest, path: Path) -> None:
        """Make the picture of `request` at `path`, with the same sampler as Easel's."""
        import torch

        from engines.samplers import create_sampler

        config = getattr(self, "_config", None) or dict(self.pipe.scheduler.config)
        self._config = config
        self.pipe.scheduler = create_sampler(request.sampler, request.scheduler, config)
        self.pipe(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=request.width,
            height=request.height,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator("cpu").manual_seed(request.seed),
        ).images[0].save(path)


class Easel:
    """The engine as the worker runs it."""

    def __init__(self, record: ModelRecord, folder: Path) -> None:
        from engines.resident import ResidentEngine

        self.engine, self.folder, self.record = ResidentEngine(), folder, record
        self.engine.load(record, RunContext(staging=folder))

    def picture(self, request: GenerationRequest, path: Path) -> None:
        """Make the picture of `request`, with checkpoints, previews and metadata as always."""
        staging = path.with_suffix("")
        staging.mkdir()
        ctx = RunContext(staging=staging)
        self.engine.load(self.record, ctx)
        self.engine.generate(request, ctx)


def measure(record: ModelRecord, request: GenerationRequest, pairs: int, folder: Path) -> dict[str, Any]:
    """Medians of CPU seconds for each side and of the pairs' ratios: a warm picture, and a step more."""
    easel, plain = Easel(record, folder), Plain(record)
    warm = _compare(easel.picture, plain.picture, request, pairs, folder / "warm")
    short, long = request.steps, request.steps * 3
    step = _per_step(easel.picture, plain.picture, request, (short, long), pairs, folder / "step")
    return {"warm_picture": warm, "per_step": step}


Maker = Callable[[GenerationRequest, Path], None]


def _compare(easel: Maker, plain: Maker, request: GenerationRequest, pairs: int, folder: Path) -> dict[str, float]:
    folder.mkdir()
    times = [
        _pair(easel, plain, request.with_(prompt=f"{request.prompt} {turn}"), turn, folder) for turn in range(-1, pairs)
    ]
    return _summary(times[1:])  # the first pair warms both up


def _per_step(
    easel: Maker, plain: Maker, request: GenerationRequest, steps: tuple[int, int], pairs: int, folder: Path
) -> dict[str, float]:
    folder.mkdir()
    times = []
    for turn in range(pairs):
        few = _pair(easel, plain, request.with_(steps=steps[0]), turn * 2, folder)
        many = _pair(easel, plain, request.with_(steps=steps[1]), turn * 2 + 1, folder)
        more = steps[1] - steps[0]
        times.append(((many[0] - few[0]) / more, (many[1] - few[1]) / more))
    return _summary(times)


def _pair(easel: Maker, plain: Maker, request: GenerationRequest, turn: int, folder: Path) -> tuple[float, float]:
    """CPU seconds of both; who goes first changes with the turn."""
    sides = {"easel": easel, "plain": plain}
    order = list(sides) if turn % 2 else list(reversed(sides))
    seconds: dict[str, float] = {}
    for side in order:
        started = time.process_time()
        sides[side](request, folder / f"{side}-{turn}.png")
        seconds[side] = time.process_time() - started
    return seconds["easel"], seconds["plain"]


def _summary(times: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "easel_cpu_seconds": statistics.median(easel for easel, _ in times),
        "plain_cpu_seconds": statistics.median(plain for _, plain in times),
        "ratio": statistics.median(easel / plain for easel, plain in times),
        "pairs": len(times),
    }


def first_picture(record: ModelRecord, request: GenerationRequest, folder: Path) -> dict[str, Any]:
    """Plain diffusers from a cold start to one saved picture, in this new process."""
    Plain(record).picture(request, folder / "plain.png")
    return {"cpu_seconds": time.process_time(), "peak_memory": peak_memory()}


def main() -> None:
    """Read the request as JSON from standard input, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["warm", "plain-first"])
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    prepare_environment()
    data = json.load(sys.stdin)
    record = ModelRecord(**{**data["record"], "path": Path(data["record"]["path"])})
    request = GenerationRequest.model_validate(data["request"])
    with tempfile.TemporaryDirectory(prefix="easel-benchmark-") as name:
        if arguments.what == "warm":
            figures = measure(record, request, arguments.pairs, Path(name))
        else:
            figures = first_picture(record, request, Path(name))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
