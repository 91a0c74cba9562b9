"""A job that goes on in an engine with another number of threads has the bytes that it would have had without a break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engines.interface import RunContext
from engines.media import read_metadata
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.threads import NOTE, threads_of
from engines.types import GenerationRequest, Progress, Stage


class Killed(Exception):
    """Stands for the end of the process: nothing of the engine is used after it."""


def kill_at(image: int, step: int) -> Callable[[Progress], None]:
    def look(progress: Progress) -> None:
        if progress.stage is Stage.DENOISE and (progress.image, progress.step) >= (image, step):
            raise Killed

    return look


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def starter() -> ModelRecord:
    from app.models import ModelStore
    from app.paths import STARTER

    return ModelStore((STARTER,)).get("starter")


def wish(count: int = 2) -> GenerationRequest:
    values = {"prompt": "a red apple", "width": 64, "height": 64, "steps": 6, "guidance": 3.5, "seed": 3}
    return GenerationRequest.model_validate(
        {**values, "model": "starter", "sampler": "Euler", "scheduler": "Normal", "count": count}
    )


def run(record: ModelRecord, request: GenerationRequest, ctx: RunContext, threads: int) -> list[Path]:
    """As a new process with so many threads runs the job; the pictures of the staging folder, in order."""
    torch.set_num_threads(threads)
    engine = ResidentEngine()
    engine.load(record, ctx)
    engine.generate(request, ctx)
    return sorted(ctx.staging.glob("image-*.png"))


@pytest.mark.parametrize(("image", "step"), [(0, 3), (1, 1), (1, 3)])
def test_it_goes_on_with_the_threads_that_it_began_with(
    starter: ModelRecord, context: Callable[..., RunContext], image: int, step: int
) -> None:
    request = wish()
    whole = [path.read_bytes() for path in run(starter, request, context("whole"), 2)]
    other = [path.read_bytes() for path in run(starter, request, context("other"), 1)]
    if whole == other:
        pytest.skip("this processor gives the same sums however they are split")
    with pytest.raises(Killed):
        run(starter, request, context("killed", on_progress=kill_at(image, step), checkpoint_every=0.0), 2)
    resumed = run(starter, request, context("killed"), 1)
    assert [path.read_bytes() for path in resumed] == whole
    assert [read_metadata(path).record["software"]["threads"] for path in resumed] == ["2", "2"]
    assert not (context("killed").staging / NOTE).exists()


def test_the_next_job_has_the_usual_number_again(starter: ModelRecord, context: Callable[..., RunContext]) -> None:
    torch.set_num_threads(1)
    usual = run(starter, wish(1), context("usual"), 1)[0].read_bytes()
    begun = context("begun")
    (begun.staging / NOTE).write_text("2")
    engine = ResidentEngine()
    for ctx in (begun, context("next")):
        engine.load(starter, ctx)
        engine.generate(wish(1), ctx)
    assert (context("next").staging / "image-0000.png").read_bytes() == usual
    assert engine.loads == 2, "what was encoded with the other number is not used"


@pytest.mark.parametrize("text", ["", "0", "-3", "many", "99999999", "\x00"])
def test_a_note_that_makes_no_sense_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / NOTE).write_text(text)
    assert threads_of(tmp_path, 4) == 4
