"""`easel benchmark`: ratios against plain diffusers, in one run, on the same weights. Below 1 Easel is the quicker one."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.paths import ROOT
from engines.api import GenerationRequest, InternalError, ModelRecord


@dataclass(frozen=True)
class Figure:
    """One measurement: both sides in `unit`, their ratio (median of pairs), and what was done."""

    name: str
    easel: float
    plain: float
    ratio: float
    unit: str
    pairs: int


def run(
    record: ModelRecord,
    request: GenerationRequest,
    pairs: int = 7,
    first_pairs: int = 3,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> tuple[Figure, ...]:
    """Measure a warm picture, a step, the first picture of a new process and peak memory."""
    on_stage("warm pictures and steps, in turn")
    warm = _engines_benchmark("warm", record, request, "--pairs", str(pairs))
    on_stage("first pictures in new processes, in turn")
    return (
        _figure("warm picture", warm["warm_picture"]),
        _figure("per step", warm["per_step"]),
        *_first_pictures(record, request, first_pairs),
    )


def _figure(name: str, data: dict[str, Any]) -> Figure:
    return Figure(name, data["easel_cpu_seconds"], data["plain_cpu_seconds"], data["ratio"], "CPU s", data["pairs"])


def _first_pictures(record: ModelRecord, request: GenerationRequest, pairs: int) -> tuple[Figure, Figure, Figure]:
    cpu, wall, memory = [], [], []
    for _turn in range(pairs):
        plain = _timed(lambda: _engines_benchmark("plain-first", record, request))
        easel = _timed(lambda: _easel_first(request))
        wall.append((easel[1], plain[1]))
        cpu.append((easel[2], plain[2]))
        memory.append((easel[0]["peak_memory"] / 1e6, plain[0]["peak_memory"] / 1e6))
    return (
        _of_pairs("first picture, wall", wall, "s"),
        _of_pairs("first picture, CPU", cpu, "CPU s"),
        _of_pairs("peak memory of the engine", memory, "MB"),
    )


def _of_pairs(name: str, pairs: list[tuple[float, float]], unit: str) -> Figure:
    easel, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Figure(name, easel, plain, statistics.median(a / b for a, b in pairs), unit, len(pairs))


def _timed(call: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], float, float]:
    """What the call gives, its wall seconds, and the CPU seconds of the processes that it started."""
    before, started = os.times(), time.perf_counter()
    result = call()
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return result, time.perf_counter() - started, spent


def _engines_benchmark(what: str, record: ModelRecord, request: GenerationRequest, *more: str) -> dict[str, Any]:
    fields = {**dataclasses.asdict(record), "path": str(record.path)}
    data = json.dumps({"record": fields, "request": request.model_dump(mode="json")})
    return _run([sys.executable, "-m", "engines.benchmark", what, *more], data, {})


def _easel_first(request: GenerationRequest) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="easel-benchmark-") as folder:
        values = [f"{key}={value}" for key, value in request.model_dump(mode="json").items() if value is not None]
        settings = [part for value in values if not value.startswith(("prompt=", "task=")) for part in ("--set", value)]
        command = [sys.executable, "-m", "app", "generate", request.prompt, "--json", *settings]
        return _run(command, "", {"EASEL_HOME": str(Path(folder) / "home")})


def _run(command: list[str], data: str, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        command,
        input=data,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
    if done.returncode:
        raise InternalError("internal", what=f"a benchmark process ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
