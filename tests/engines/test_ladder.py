"""Memory runs out in each stage, in the real worker: one walk down, each step said, the job done all the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from engines.errors import ResourceError
from engines.interface import RunContext
from engines.part_sizes import part_sizes
from engines.placement import Demand, MachineFacts, decide_placement
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.types import GenerationRequest, Progress
from engines.worker.host import WorkerEngine

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]
ROOT = Path(__file__).resolve().parents[2]

# Python runs this before anything else in the worker. It lets the named function fail as torch's allocator does, so often.
FAULTS = """
import os
from engines.pipeline import keeping, pass_runner
from engines.pipeline.encode import TextEncodings

words = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"
places = {
    "load": (keeping, "load_model"),
    "encode": (TextEncodings, "get"),
    "denoise": (pass_runner, "call_arguments"),
    "decode": (pass_runner, "decode"),
}
owner, name = places[os.environ["FAULT_STAGE"]]
left = int(os.environ["FAULT_TIMES"])
real = getattr(owner, name)

def failing(*args, **kwargs):
    global left
    if left > 0:
        left -= 1
        raise RuntimeError(words)
    return real(*args, **kwargs)

setattr(owner, name, failing)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], WorkerEngine]]:
    """Starts a worker in which memory runs out in one stage, so many times."""
    started: list[WorkerEngine] = []

    def start(stage: str, times: int) -> WorkerEngine:
        (tmp_path / "faults").mkdir()
        (tmp_path / "faults" / "sitecustomize.py").write_text(FAULTS, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path / "faults"), str(ROOT))))
        monkeypatch.setenv("FAULT_STAGE", stage)
        monkeypatch.setenv("FAULT_TIMES", str(times))
        started.append(WorkerEngine(tmp_path / "engine.log"))
        return started[0]

    yield start
    for engine in started:
        engine.unload()


def first_plan(record: ModelRecord) -> dict[str, object]:
    family = REGISTRY.of(record)
    facts = MachineFacts("cpu", 10**12, False)
    return {"plan": decide_placement(facts, part_sizes(record, family), family, Demand(64, 64, passes=2))}


@pytest.mark.parametrize("stage", ["load", "encode", "denoise", "decode"])
def test_the_job_is_done_one_rung_lower_and_says_so(
    worker: Callable[[str, int], WorkerEngine],
    tiny_models: Models,
    tiny_request: Requests,
    context: Contexts,
    stage: str,
) -> None:
    engine, record, heard = worker(stage, 1), tiny_models["sd15"], list[Progress]()
    ctx = context("job", on_progress=heard.append, **first_plan(record))
    engine.load(record, ctx)
    result = engine.generate(tiny_request("sd15"), ctx)
    said = [progress.note for progress in heard if progress.note]
    assert len(said) == 1 and "Memory ran out" in said[0] and stage in said[0]
    assert said[0] in result.artifacts[0].notes
    with Image.open(result.artifacts[0].path) as picture:
        assert said[0] in json.loads(picture.info["easel"])["notes"]
    assert int(result.facts["rung"]) > 1


def test_pictures_that_were_out_stay_and_the_rest_is_made(
    worker: Callable[[str, int], WorkerEngine], tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine, record, out = worker("decode", 2), tiny_models["sd15"], list[int]()
    ctx = context("job", on_artifact=lambda artifact: out.append(artifact.index), **first_plan(record))
    engine.load(record, ctx)
    result = engine.generate(tiny_request("sd15", count=2), ctx)
    assert out == [0, 1]
    assert [artifact.index for artifact in result.artifacts] == [0, 1]


def test_at_the_end_of_the_ladder_it_is_a_sentence_and_the_next_job_runs(
    worker: Callable[[str, int], WorkerEngine], tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine, record = worker("denoise", 4), tiny_models["sd15"]
    ctx = context("job", **first_plan(record))
    engine.load(record, ctx)
    with pytest.raises(ResourceError) as caught:
        engine.generate(tiny_request("sd15"), ctx)
    assert caught.value.code == "out-of-memory"
    assert "denoise" in caught.value.message.cause
    engine.load(record, context("next", **first_plan(record)))
    assert engine.generate(tiny_request("sd15"), context("next", **first_plan(record))).artifacts
