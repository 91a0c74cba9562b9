"""A denoiser in 8 bits by choice: less memory as computed, nearly the same picture, the same one every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.interface import RunContext
from engines.part_sizes import part_sizes
from engines.records import ModelRecord
from engines.registry import REGISTRY, create_engine
from engines.types import GenerationRequest

FAMILIES = ("sdxl", "flux", "wan")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRecord]:
    from engines.tiny import make_tiny_model

    root = tmp_path_factory.mktemp("models")
    return {
        name: ModelRecord(name, name, name, make_tiny_model(REGISTRY.get(name), root / name), "diffusers-folder", 0)
        for name in FAMILIES
    }


def picture(record: ModelRecord, ctx: RunContext, loras: Path | None = None) -> tuple[Any, Any]:
    """The pixels of a small picture or of a video's first frame, and the engine."""
    import av
    import numpy as np
    from PIL import Image

    family = REGISTRY.get(record.family)
    values: dict[str, Any] = {"width": family.tiny.width, "height": family.tiny.height, "steps": 2}
    if family.video is not None:
        values |= {"frames": family.video.min_frames, "task": family.tasks[0]}
    request = GenerationRequest.model_validate(
        {"model": record.id, "prompt": "a red apple", "seed": 7, **family.defaults, **values}
    )
    engine = create_engine(record)
    engine.load(record, ctx)
    path = engine.generate(request, ctx).artifacts[0].path
    if path.suffix == ".png":
        return np.asarray(Image.open(path), dtype=float), engine
    with av.open(path) as video:
        return next(video.decode(video=0)).to_ndarray(format="rgb24").astype(float), engine


def denoiser_bytes(engine: Any, record: ModelRecord) -> int:
    part = engine.model.parts[REGISTRY.get(record.family).denoiser]
    return sum(each.numel() * each.element_size() for each in part.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_eight_bits_take_less_memory_and_give_nearly_the_same(
    name: str, models: dict[str, ModelRecord], context: Callable[..., RunContext]
) -> None:
    import numpy as np

    full, small = models[name], replace(models[name], eight_bits=True)
    plain, engine = picture(full, context("full"))
    held = denoiser_bytes(engine, full)
    packed, engine = picture(small, context("small"))
    again, _ = picture(small, context("again"))
    assert denoiser_bytes(engine, small) < 0.6 * held  # tiny models are norms and first layers to a good part
    assert 0 < np.abs(plain - packed).mean() < 8
    assert np.array_equal(packed, again)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_expected_size_is_a_byte_a_number(name: str, models: dict[str, ModelRecord]) -> None:
    family = REGISTRY.get(name)
    full, small = (part_sizes(replace(models[name], eight_bits=each), family) for each in (False, True))
    part = small.parts[family.denoiser]
    assert part.bytes_in("float32") == part.parameters == full.parts[family.denoiser].bytes_in("float32") // 4
    assert small.parts["vae"] == full.parts["vae"]


def test_a_lora_works_on_eight_bits_and_leaves_no_trace(
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
    tmp_path: Path,
) -> None:
    """Its own layers are not held in 8 bits; with weight 0 and without it the picture is the same."""
    from engines.options import LoraUse
    from engines.resident import ResidentEngine
    from tests.engines.test_loras import FAMILY, diffusers_file

    engine, files = ResidentEngine(), {"style": diffusers_file(tmp_path / "style.safetensors")}
    record = replace(tiny_models[FAMILY], eight_bits=True)

    def bytes_with(where: str, *uses: LoraUse) -> bytes:
        ctx = replace(context(where), files=files, with_metadata=False)
        engine.load(record, ctx)
        result = engine.generate(tiny_request(FAMILY, loras=uses, steps=2), ctx)
        return result.artifacts[0].path.read_bytes()

    plain = bytes_with("plain")
    assert bytes_with("with", LoraUse(file="style", weight=1.0)) != plain
    assert bytes_with("nothing", LoraUse(file="style", weight=0.0)) == plain
    assert bytes_with("again") == plain
