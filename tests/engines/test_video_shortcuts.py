"""Shortcuts in videos: what they leave out is counted, and a stopped video goes on to the same latents."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.types import Stage, Task
from tests.engines.conftest import VIDEO
from tests.engines.test_shortcuts import Counting, _leaf
from tests.engines.test_video_engine import Stopped, Studio, latents, stop_after

CACHED = [key for key, family in VIDEO.items() if family.cache and Task.TEXT_TO_VIDEO in family.tasks]
QUICK = ("ltx", "wan")
WISH = {"shortcuts": {"every": 2}, "steps": 5}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("video-shortcuts"))


def marked(keys: list[str]) -> list[object]:
    return [key if key in QUICK else pytest.param(key, marks=pytest.mark.long) for key in keys]


@pytest.mark.parametrize("key", marked([key for key in CACHED if VIDEO[key].second_denoiser is None]))
def test_deep_blocks_run_in_full_steps_alone(studio: Studio, key: str) -> None:
    request = studio.request(key, Task.TEXT_TO_VIDEO, **WISH)
    studio.engine.load(studio.record(key), studio.context(f"{key}-load"))
    denoiser = studio.engine.current.model.parts[VIDEO[key].denoiser]  # pyright: ignore
    names = ("blocks", "transformer_blocks", "single_transformer_blocks")
    blocks = [block for name in names for block in getattr(denoiser, name, ())]
    shallow, deep = Counting(blocks[0]), Counting(_leaf(blocks[-1]))
    run(studio, request, f"{key}-counted")
    always, seldom = len(shallow.end()), len(deep.end())
    assert seldom * 5 == always * 3, (always, seldom)


@pytest.mark.parametrize("key", marked(CACHED))
def test_a_stopped_video_goes_on_to_the_same_latents(studio: Studio, key: str) -> None:
    request = studio.request(key, Task.TEXT_TO_VIDEO, **WISH)
    whole = run(studio, request, f"{key}-whole")
    plain = run(studio, request.with_(shortcuts=None), f"{key}-plain")
    assert whole != plain
    for stop in (2, 3):
        name = f"{key}-stopped-{stop}"
        with pytest.raises(Stopped):
            studio.make(request, studio.context(name, on_progress=stop_after(stop), checkpoint_every=0.0))
        assert run(studio, request, name) == whole, f"stopped after step {stop}"
    assert run(studio, request.with_(shortcuts=None), f"{key}-after") == plain, "it left a trace"


@pytest.mark.parametrize("key", marked([key for key in CACHED if VIDEO[key].guidance.together]))
def test_guidance_may_end_between_full_steps(studio: Studio, key: str) -> None:
    """What is remembered of both prompts is not added to the one prompt that is left."""
    request = studio.request(
        key, Task.TEXT_TO_VIDEO, steps=5, guidance=4.0, shortcuts={"every": 4, "change": 1.0, "guided_to": 0.5}
    )
    studio.engine.load(studio.record(key), studio.context(f"{key}-load"))
    denoiser = studio.engine.current.model.parts[VIDEO[key].denoiser]  # pyright: ignore
    counting = Counting(denoiser)
    run(studio, request, f"{key}-ends")
    assert counting.end() == [2] * 5


def run(studio: Studio, request: object, name: str) -> dict[str, bytes]:
    """The latents of a run that ends before its decode."""
    ctx = studio.context(name, on_progress=stop_after(0, Stage.DECODE))
    with pytest.raises(Stopped):
        studio.make(request, ctx)  # pyright: ignore
    assert isinstance(ctx.checkpoint, Path)
    return latents(ctx)
