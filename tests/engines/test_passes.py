"""Second pass, masks, canvas and tiles on tiny models: sizes, what is kept byte for byte, and going on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.errors import UserError
from engines.interface import RunContext
from engines.media import read_metadata
from engines.media.canvas import extended, margin_mask
from engines.media.masks import prepared_mask, region_of
from engines.media.tiling import fade, tiles_of
from engines.options import Hires, Masking, Outpaint, Tiles
from engines.pipeline.passes.plan import make_plan
from engines.pipeline.passes.second import hires_size, steps_to_ask_for
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.resident import ResidentEngine
from engines.types import GenerationRequest, Progress, Stage, Task
from engines.upscalers import LATENT_FILTERS

from .test_engine import Stopped, make, stop_after

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]
FAMILY = "sd15"


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize("upscaler", ["Lanczos", *LATENT_FILTERS])
def test_the_second_pass_makes_a_larger_picture_and_counts_its_steps(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, upscaler: str
) -> None:
    seen: list[Progress] = []
    request = tiny_request(FAMILY, hires=Hires(scale=1.5, steps=3, strength=0.6, upscaler=upscaler))
    ctx = context(on_progress=seen.append)
    engine.load(tiny_models[FAMILY], ctx)
    artifact = engine.generate(request, ctx).artifacts[0]
    assert (artifact.width, artifact.height) == (96, 96)
    drawn = [(each.step, each.total) for each in seen if each.stage is Stage.DENOISE]
    assert drawn == [(step, 7) for step in range(1, 8)]
    written = read_metadata(artifact.path)
    assert written.request == request
    assert written.settings["Hires upscale"] == "1.5"
    assert written.settings["Hires steps"] == "3"
    assert written.settings["Hires upscaler"] == upscaler
    assert written.settings["Denoising strength"] == "0.6"


@pytest.mark.parametrize(("family_id", "upscaler"), [("sd15", "Lanczos"), ("sdxl", "Latent")])
def test_a_kill_in_either_pass_costs_no_byte(
    engine: ResidentEngine,
    tiny_models: Models,
    tiny_request: Requests,
    context: Contexts,
    family_id: str,
    upscaler: str,
) -> None:
    hires = Hires(scale=1.5, steps=3, strength=0.6, upscaler=upscaler)
    request = tiny_request(family_id, hires=hires, sampler="DPM++ 2M SDE", scheduler="Normal")
    check_every_stop(engine, tiny_models[family_id], request, context)


def test_a_kill_in_any_tile_costs_no_byte(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    request = upscale_request(tiny_request, 104, 72, tiles=Tiles(side=64, overlap=16), strength=0.5)
    check_every_stop(engine, tiny_models[FAMILY], request, context)


def test_a_kill_in_soft_inpainting_costs_no_byte(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    request = tiny_request(FAMILY, task=Task.INPAINT, strength=1.0, masking=Masking(blur=8, soft=True))
    check_every_stop(engine, tiny_models[FAMILY], request, context)


def check_every_stop(
    engine: ResidentEngine, record: ModelRecord, request: GenerationRequest, context: Contexts
) -> None:
    seen: list[Progress] = []
    whole = make(engine, record, request, context("whole", on_progress=seen.append))
    calls = sum(each.stage is Stage.DENOISE for each in seen)
    for stop in range(1, calls + 1):
        with pytest.raises(Stopped):
            make(engine, record, request, context(f"s{stop}", on_progress=stop_after(stop), checkpoint_every=0.0))
        resumed: list[Progress] = []
        again = make(engine, record, request, context(f"s{stop}", on_progress=resumed.append))
        assert again == whole, f"stopped after call {stop} of {calls}"
        assert sum(each.stage is Stage.DENOISE for each in resumed) <= calls - stop + 2


def test_a_stop_between_the_passes_does_not_draw_the_first_again(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    request = tiny_request(FAMILY, hires=Hires(scale=1.5, steps=2))
    whole = make(engine, tiny_models[FAMILY], request, context("whole"))
    encodes = 0

    def stop(progress: Progress) -> None:
        nonlocal encodes
        encodes += progress.stage is Stage.ENCODE
        if encodes == 2:
            raise Stopped

    with pytest.raises(Stopped):
        make(engine, tiny_models[FAMILY], request, context("between", on_progress=stop))
    resumed: list[Progress] = []
    assert make(engine, tiny_models[FAMILY], request, context("between", on_progress=resumed.append)) == whole
    assert [each.step for each in resumed if each.stage is Stage.DENOISE] == [5, 6]


def test_only_the_masked_part_is_worked_on_and_the_rest_stays_byte_for_byte(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path
) -> None:
    inputs = large_inputs(tmp_path, (300, 200), (200, 60, 240, 100))
    request = tiny_request(
        FAMILY, task=Task.INPAINT, strength=1.0, masking=Masking(only_masked=True, padding=16, blur=4)
    )
    ctx = replace(context(), inputs=inputs)
    engine.load(tiny_models[FAMILY], ctx)
    artifact = engine.generate(request, ctx).artifacts[0]
    made, before = pixels(artifact.path), pixels(inputs["init_image"])
    assert made.shape == before.shape == (200, 300, 3)
    changed = np.argwhere((made != before).any(axis=2))
    assert changed.size
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert left >= 200 - 16 and right < 240 + 16 and top >= 60 - 16 and bottom < 100 + 16
    settings = read_metadata(artifact.path).settings
    assert settings["Inpaint area"] == "Only masked"
    assert settings["Masked area padding"] == "16"
    assert settings["Mask blur"] == "4"


def test_an_inverted_mask_repaints_the_other_half(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context()
    request = tiny_request(FAMILY, task=Task.INPAINT, strength=1.0, masking=Masking(invert=True))
    engine.load(tiny_models[FAMILY], ctx)
    made = pixels(engine.generate(request, ctx).artifacts[0].path)
    before = pixels(ctx.inputs["init_image"])
    assert (made[:, 32:] == before[:, 32:]).all()
    assert (made[:, :32] != before[:, :32]).any()


def test_soft_inpainting_changes_more_where_the_mask_is_brighter(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path
) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(70, (16, 0, 32, 64))
    mask.paste(140, (32, 0, 48, 64))
    mask.paste(255, (48, 0, 64, 64))
    mask.save(tmp_path / "soft.png")
    ctx = context()
    ctx = replace(ctx, inputs={**ctx.inputs, "mask": tmp_path / "soft.png"})
    request = tiny_request(FAMILY, task=Task.INPAINT, strength=1.0, steps=8, masking=Masking(soft=True))
    engine.load(tiny_models[FAMILY], ctx)
    made = pixels(engine.generate(request, ctx).artifacts[0].path)
    plain = engine.generate(request.with_(masking=None), context("plain")).artifacts[0].path
    before = pixels(ctx.inputs["init_image"])
    assert (made[:, :15] == before[:, :15]).all(), "black is kept byte for byte"
    held = latents_after(engine, request, ctx)
    assert held[:, :, :, 2:4].abs().mean() < held[:, :, :, 4:6].abs().mean() < held[:, :, :, 6:].abs().mean()
    assert (pixels(plain) != made).any()


def latents_after(engine: ResidentEngine, request: GenerationRequest, ctx: RunContext):
    """How far the last latents are from the original ones, from the checkpoint that is left before the decode."""
    from safetensors.torch import load_file

    from engines.pipeline.passes import soft

    originals = []
    real = soft.SoftBlend.apply

    def seen(self, latents, part, next_timestep):
        originals.append(self._original)
        return real(self, latents, part, next_timestep)

    soft.SoftBlend.apply = seen
    kept: list = []

    def keep(progress: Progress) -> None:
        if progress.stage is Stage.DECODE:
            kept.append(load_file(ctx.checkpoint)["latents"])

    try:
        (ctx.staging / "image-0000.png").unlink()
        engine.generate(request, replace(ctx, on_progress=keep))
    finally:
        soft.SoftBlend.apply = real
    return kept[0] - originals[0]


def test_what_is_added_around_a_picture_leaves_the_picture(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context()
    ctx = replace(ctx, inputs={"init_image": ctx.inputs["init_image"]})
    request = tiny_request(
        FAMILY, task=Task.INPAINT, strength=1.0, width=104, height=80, outpaint=Outpaint(left=40, bottom=16, overlap=8)
    )
    engine.load(tiny_models[FAMILY], ctx)
    made = pixels(engine.generate(request, ctx).artifacts[0].path)
    before = pixels(ctx.inputs["init_image"])
    assert made.shape == (80, 104, 3)
    assert (made[: 64 - 8, 40 + 8 :] == before[: 64 - 8, 8:]).all()
    assert (made[:64, 40:] != before).any(), "the seam is redrawn"


def test_tiles_redraw_a_picture_of_any_size(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    request = upscale_request(tiny_request, 150, 90, tiles=Tiles(side=64, overlap=16), strength=0.5)
    ctx = context()
    engine.load(tiny_models[FAMILY], ctx)
    artifact = engine.generate(request, ctx).artifacts[0]
    assert (artifact.width, artifact.height) == (150, 90)
    plain = ResidentEngine().generate(request.with_(tiles=None), context("plain")).artifacts[0]
    assert (pixels(artifact.path) != pixels(plain.path)).any()
    assert read_metadata(artifact.path).settings["Postprocess upscale to"] == "150x90"


def test_plain_enlarging_loads_no_model(tiny_request: Requests, context: Contexts) -> None:
    ctx = context()
    engine = ResidentEngine()
    artifact = engine.generate(upscale_request(tiny_request, 128, 128), ctx).artifacts[0]
    with Image.open(ctx.inputs["init_image"]) as before:
        wanted = before.convert("RGB").resize((128, 128), Image.Resampling.LANCZOS)
    assert (pixels(artifact.path) == np.asarray(wanted)).all()
    assert engine.loads == 0
    assert "Model" not in read_metadata(artifact.path).settings


def test_an_upscaler_model_without_the_extra_says_how_to_get_it(
    tiny_request: Requests, context: Contexts, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    if __import__("importlib.util").util.find_spec("spandrel"):
        pytest.skip("spandrel is installed here")
    (tmp_path / "x4.safetensors").write_bytes(b"")
    ctx = replace(context(), files={"x4": tmp_path / "x4.safetensors"})
    with pytest.raises(UserError) as caught:
        ResidentEngine().generate(upscale_request(tiny_request, 128, 128, upscaler="x4"), ctx)
    assert caught.value.code == "upscaler-needs-extra"


def test_a_network_enlarges_in_tiles_without_seams(context: Contexts) -> None:
    """A known network: each pixel becomes four. In tiles or whole, the picture is the same."""
    import torch

    from engines.pipeline import enlarge

    picture = Image.radial_gradient("L").resize((900, 500)).convert("RGB")
    network = torch.nn.Upsample(scale_factor=2, mode="nearest")
    made = enlarge.run_upscaler(picture, network, 2, context())
    assert made.size == (1800, 1000)
    assert np.abs(np.asarray(made).astype(int) - np.asarray(picture).astype(int).repeat(2, 0).repeat(2, 1)).max() <= 1


def test_an_empty_mask_is_an_error_with_a_way_out(tiny_request: Requests, context: Contexts, tmp_path: Path) -> None:
    inputs = large_inputs(tmp_path, (64, 64), None)
    request = tiny_request(FAMILY, task=Task.INPAINT, masking=Masking(only_masked=True))
    with pytest.raises(UserError) as caught:
        make_plan(request, REGISTRY.get(FAMILY), replace(context(), inputs=inputs), lambda _latents, _request: None)
    assert caught.value.code == "mask-empty"


def test_regions_stay_inside_and_keep_their_shape() -> None:
    mask = Image.new("L", (300, 200), 0)
    mask.paste(255, (280, 10, 290, 20))
    left, top, right, bottom = region_of(mask, 16, 1.0)
    assert (left, top, right, bottom) == (264, 0, 300, 36)
    assert region_of(mask, 1000, 1.0) == (0, 0, 300, 200)
    inverted = prepared_mask(mask, invert=True, blur=0)
    assert inverted.getpixel((285, 15)) == 0 and inverted.getpixel((0, 0)) == 255


def test_tiles_cover_everything_and_their_fades_add_up() -> None:
    for width, height in ((64, 64), (65, 64), (200, 130), (30, 500)):
        tiles = tiles_of(width, height, 64, 16)
        value, covered = np.full((height, width, 1), 7.0), np.zeros((height, width), dtype=bool)
        for tile in tiles:
            place = value[tile.top : tile.top + 64, tile.left : tile.left + 64]
            weight = fade(tile, tiles, 64)[: place.shape[0], : place.shape[1]]
            place[:] = 3.0 * weight + place * (1 - weight)
            covered[tile.top : tile.top + 64, tile.left : tile.left + 64] = True
        assert covered.all()
        starts = sorted({tile.left for tile in tiles})
        assert all(high - low <= 64 - 16 for low, high in pairwise(starts))


def test_a_grown_canvas_holds_the_picture_and_colours_to_go_on_with() -> None:
    picture = Image.new("RGB", (64, 32), (200, 10, 30))
    grown = extended(picture, (10, 0, 0, 20))
    assert grown.size == (74, 52)
    assert grown.getpixel((0, 51)) == (200, 10, 30)
    mask = np.asarray(margin_mask((64, 32), (10, 0, 0, 20), 8))
    assert (mask[:, :10] == 255).all() and (mask[32:] == 255).all()
    assert mask[0, 73] == 0 and 0 < mask[0, 12] < 255


@pytest.mark.parametrize(("steps", "strength"), [(20, 0.5), (1, 0.05), (30, 0.7), (4, 1.0), (3, 0.6)])
def test_the_second_pass_runs_the_steps_that_were_asked_for(steps: int, strength: float) -> None:
    assert int(steps_to_ask_for(steps, strength) * strength) == steps


def test_no_schedule_is_longer_than_the_training() -> None:
    assert steps_to_ask_for(150, 0.01) == 1000
    assert hires_size(64, 72, 1.3, 8) == (80, 96)


def upscale_request(tiny_request: Requests, width: int, height: int, **fields: object) -> GenerationRequest:
    return tiny_request(FAMILY, task=Task.UPSCALE).with_(width=width, height=height, **fields)


def large_inputs(folder: Path, size: tuple[int, int], box: tuple[int, int, int, int] | None) -> dict[str, Path]:
    Image.radial_gradient("L").resize(size).convert("RGB").save(folder / "large.png")
    mask = Image.new("L", size, 0)
    if box:
        mask.paste(255, box)
    mask.save(folder / "large-mask.png")
    return {"init_image": folder / "large.png", "mask": folder / "large-mask.png"}
