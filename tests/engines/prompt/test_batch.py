"""Pictures denoised together are those of their own seeds, to the tolerance that the docs state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from engines.interface import RunContext
from engines.media import read_metadata
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.resident import ResidentEngine
from engines.types import Artifact, GenerationRequest

WEIGHTED = [family.id for family in REGISTRY.all() if family.text.weights]
TOLERANCE = 2  # of 255


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


def pixels(artifact: Artifact) -> np.ndarray:
    with Image.open(artifact.path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("family_id", "fields"),
    [(each, {"prompt": "a (red:1.2) [apple|pear]"}) for each in WEIGHTED] + [("sd15", {"sampler": "Euler a"})],
)
def test_each_picture_is_the_one_of_its_own_seed(
    engine: ResidentEngine,
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
    family_id: str,
    fields: dict[str, object],
) -> None:
    request = tiny_request(family_id, count=3, scheduler="Normal", **fields)
    engine.load(tiny_models[family_id], context("load"))
    calls: list[int] = []
    denoiser = engine._engine.model.parts["unet"]  # pyright: ignore
    hook = denoiser.register_forward_pre_hook(lambda _m, inputs: calls.append(inputs[0].shape[0]))
    try:
        batched = engine.generate(request.with_(batch=2), context("together")).artifacts
    finally:
        hook.remove()
    assert calls == [4] * 4 + [2] * 4  # two pictures at once, then the third
    alone = engine.generate(request, context("alone")).artifacts
    assert [each.seed for each in batched] == [7, 8, 9]
    for one, other in zip(batched, alone, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= TOLERANCE
        assert read_metadata(one.path).request == read_metadata(other.path).request
    assert not np.array_equal(pixels(batched[0]), pixels(batched[1]))
    assert any("together" in note for note in batched[0].notes) and batched[2].notes == ()


def test_a_sampler_with_one_noise_for_all_takes_them_one_by_one(
    engine: ResidentEngine,
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
) -> None:
    request = tiny_request("sd15", count=2, sampler="DPM++ SDE", scheduler="Normal", steps=2)
    engine.load(tiny_models["sd15"], context("load"))
    batched = engine.generate(request.with_(batch=2), context("together")).artifacts
    alone = engine.generate(request, context("alone")).artifacts
    assert [each.path.read_bytes() for each in batched] == [each.path.read_bytes() for each in alone]
