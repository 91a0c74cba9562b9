"""ControlNets on tiny models: diffusers' own numbers, every task and pass, resume, two layouts of names, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engines.errors import UserError
from engines.interface import RunContext
from engines.media import open_image, read_metadata
from engines.media.prepare import prepared
from engines.options import CONTROLNET, ControlUse
from engines.pipeline.guides import as_tensor
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.tiny_addons import make_tiny_controlnet
from engines.types import Task
from tests.engines import originals

from .test_engine import make, stop_and_go_on

UNETS = ["sd15", "sd2", "sdxl"]
TASKS = [Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE, Task.INPAINT]
CASES = [
    pytest.param(family_id, task, marks=[] if family_id == "sd15" or task is TASKS[0] else [pytest.mark.long])
    for family_id in UNETS
    for task in TASKS
]


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


@pytest.fixture(scope="module")
def nets(tiny_models: dict[str, ModelRecord], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A ControlNet for each family of UNets, and a second one for the first."""
    from diffusers import UNet2DConditionModel

    folder = tmp_path_factory.mktemp("nets")
    made = {}
    for key in (*UNETS, "sd15-inpaint"):
        unet = UNet2DConditionModel.from_pretrained(tiny_models[key].path / "unet")
        made[key] = make_tiny_controlnet(unet, folder / f"{key}.safetensors")
        if key == "sd15":
            made["other"] = make_tiny_controlnet(unet, folder / "other.safetensors", seed=1)
    return made


@pytest.fixture
def guided(context: Callable[..., RunContext], nets: dict[str, Path], pictures: dict[str, Path]) -> Callable[..., Any]:
    """Makes contexts that know the networks, and a picture to follow as the first and the second control's."""
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(pictures["init_image"].parent / "follow.png")
    follow = pictures["init_image"].parent / "follow.png"

    def go(name: str = "run", **fields: Any) -> RunContext:
        ctx = context(name, **fields)
        files = {f"{CONTROLNET}{key}": path for key, path in nets.items()}
        return replace(ctx, inputs={**ctx.inputs, "controls.0": follow, "controls.1": follow}, files=files)

    return go


def use(file: str, **fields: Any) -> ControlUse:
    return ControlUse(file=file, image="follow.png", **fields)


@pytest.mark.parametrize(("family_id", "task"), CASES)
def test_every_task_follows_and_nothing_stays(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, family_id: str, task: Task
) -> None:
    def run(*uses: ControlUse) -> bytes:
        ctx = replace(guided(), with_metadata=False)
        ctx.staging.joinpath("image-0000.png").unlink(missing_ok=True)
        request = tiny_request(family_id, task=task, steps=3, strength=0.7, controls=uses)
        return make(engine, tiny_models[family_id], request, ctx)

    plain = run()
    followed = run(use(family_id))
    assert followed != plain
    assert run(use(family_id, weight=0)) == plain
    assert run(use(family_id, weight=0.4)) not in (plain, followed)
    assert run() == plain
    assert run(use(family_id)) == followed


def test_the_latents_are_those_of_diffusers(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, nets: dict[str, Path]
) -> None:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    uses = [use("sd15", weight=0.8, end=0.5), use("other", start=0.5)]
    request, ctx = tiny_request("sd15", steps=6, controls=uses, sampler="Euler", scheduler="Normal"), guided()
    seen: list[torch.Tensor] = []
    engine.load(tiny_models["sd15"], ctx)
    inner: Any = engine._engine
    passes = inner.maker.passes
    decode, passes.decode = passes.decode, lambda latents, *rest: seen.append(latents) or decode(latents, *rest)
    engine.generate(request, ctx)
    pipe = passes.pipe
    loaded = []
    for name in ("sd15", "other"):
        net = ControlNetModel.from_unet(pipe.unet, load_weights_from_unet=False)
        net.load_state_dict(load_file(nets[name]))
        loaded.append(net.eval())
    theirs = StableDiffusionControlNetPipeline(
        **{name: getattr(pipe, name) for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")},
        controlnet=loaded,
        safety_checker=None,
        feature_extractor=None,  # pyright: ignore
        requires_safety_checker=False,
    )
    picture = as_tensor(open_image(ctx.inputs["controls.0"]).crop((16, 0, 80, 64)), "cpu", torch.float32)
    expected = theirs(
        prompt=request.prompt,
        negative_prompt="",
        image=[picture, picture],
        num_inference_steps=6,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        controlnet_conditioning_scale=[0.8, 1.0],
        control_guidance_start=[0.0, 0.5],
        control_guidance_end=[0.5, 1.0],
        output_type="latent",
        return_dict=False,
    )[0]
    assert torch.equal(seen[-1], expected)


@pytest.mark.parametrize(("sampler", "stop"), [("Euler a", 4), ("Heun", 2)])
def test_resume_gives_the_same_bytes(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, sampler: str, stop: int
) -> None:
    fields: dict[str, Any] = {"sampler": sampler, "scheduler": "Normal", "hires": {"scale": 1.25}}
    request = tiny_request("sd15", steps=4, controls=[use("sd15", end=0.9), use("other", start=0.2)], **fields)
    whole = make(engine, tiny_models["sd15"], request, guided("whole"))
    assert stop_and_go_on(engine, tiny_models["sd15"], request, guided, stop) == whole


def test_pictures_made_together_are_guided_too(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any
) -> None:
    def pictures(name: str, **fields: Any) -> list[Path]:
        request = tiny_request("sd15", steps=3, count=2, batch=2, sampler="Euler", scheduler="Normal", **fields)
        ctx = guided(name)
        engine.load(tiny_models["sd15"], ctx)
        return [each.path for each in engine.generate(request, ctx).artifacts]

    followed, plain = pictures("with", controls=[use("sd15")]), pictures("without")
    assert all(one.read_bytes() != other.read_bytes() for one, other in zip(followed, plain, strict=True))


def test_a_part_and_tiles_follow_what_lies_there(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any
) -> None:
    """Without a picture of its own a control follows what is redrawn: the part, or the tile."""
    tiled = {"task": Task.UPSCALE, "width": 96, "height": 96, "tiles": {"side": 64, "overlap": 16}, "strength": 0.7}
    part = {"task": Task.INPAINT, "masking": {"only_masked": True, "padding": 4}}
    for fields in (tiled, part):
        made = {}
        for name, uses in (
            ("none", []),
            ("own", [ControlUse(file="sd15", prepare="tile")]),
            ("given", [use("sd15")]),
        ):
            ctx = guided(f"{fields['task']}-{name}")
            inputs = {
                key: path for key, path in ctx.inputs.items() if name == "given" or not key.startswith("controls")
            }
            ctx = replace(ctx, inputs=inputs, with_metadata=False)
            request = tiny_request("sd15", steps=3, controls=uses, **fields)
            made[name] = make(engine, tiny_models["sd15"], request, ctx)
        assert len(set(made.values())) == 3


def test_names_of_the_original_code_give_the_same_picture(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, nets: dict[str, Path], tmp_path: Path
) -> None:
    tensors = originals.original_controlnet(load_file(nets["sd15"]))
    save_file(tensors, tmp_path / "a1111.safetensors")
    request = tiny_request("sd15", steps=2, controls=[use("sd15")])
    first = make(engine, tiny_models["sd15"], request, replace(guided("one"), with_metadata=False))
    files = {f"{CONTROLNET}sd15": tmp_path / "a1111.safetensors"}
    assert make(engine, tiny_models["sd15"], request, replace(guided("two"), files=files, with_metadata=False)) == first


def test_a_model_that_repaints_takes_the_plain_network(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any
) -> None:
    made = []
    for name, uses in (("without", []), ("plain", [use("sd15")]), ("own", [use("sd15-inpaint")])):
        request = tiny_request("sd15-inpaint", steps=2, controls=uses)
        made.append(make(engine, tiny_models["sd15-inpaint"], request, replace(guided(name), with_metadata=False)))
    assert len(set(made)) == 3


@pytest.mark.parametrize("how", ["family", "cut", "nan", "layer", "union", "gone"])
def test_files_that_do_not_fit_are_refused_and_the_model_goes_on(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, nets: Any, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "bad.safetensors"
    tensors = load_file(nets["sdxl" if how == "family" else "sd15"])
    if how == "nan":
        tensors["conv_in.weight"][0] = float("nan")
    if how == "layer":
        del tensors["controlnet_mid_block.weight"]
    if how == "union":
        tensors["task_embedding"] = torch.zeros(6, 8)
    save_file(tensors, path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    if how == "gone":
        path.unlink()
    ctx = replace(guided("bad"), files={f"{CONTROLNET}bad": path})
    with pytest.raises(UserError) as caught:
        make(engine, tiny_models["sd15"], tiny_request("sd15", steps=2, controls=[use("bad")]), ctx)
    expected = {"cut": "controlnet-broken", "nan": "controlnet-broken", "gone": "controlnet-missing"}
    assert caught.value.code == expected.get(how, "controlnet-not-for-model")
    assert caught.value.message.fixes
    assert make(engine, tiny_models["sd15"], tiny_request("sd15", steps=2), guided("good"))


def test_a_network_is_read_once(engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any) -> None:
    request = tiny_request("sd15", steps=2, controls=[use("sd15")])
    make(engine, tiny_models["sd15"], request, guided("a"))
    inner: Any = engine._engine
    loads = inner.maker.addons.guides.nets.loads
    make(engine, tiny_models["sd15"], request.with_(seed=9), guided("b"))
    assert inner.maker.addons.guides.nets.loads == loads


def test_the_record_says_what_was_followed(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any
) -> None:
    request, ctx = tiny_request("sd15", steps=2, controls=[use("sd15", prepare="canny", weight=0.5)]), guided()
    engine.load(tiny_models["sd15"], ctx)
    metadata = read_metadata(engine.generate(request, ctx).artifacts[0].path)
    assert metadata.request == request
    said = metadata.settings["ControlNet 0"]
    assert said == "Module: canny, Model: sd15, Weight: 0.5, Guidance Start: 0, Guidance End: 1"


def test_preparers_make_what_they_say() -> None:
    picture = Image.new("RGB", (64, 64), "black")
    picture.paste("white", (16, 16, 48, 48))
    edges = prepared(picture, "canny")
    bright = [
        spot for spot in ((x, y) for x in range(64) for y in range(64)) if edges.getpixel(spot) == (255, 255, 255)
    ]
    assert bright and all(min(abs(x - 16), abs(x - 47), abs(y - 16), abs(y - 47)) <= 1 for x, y in bright)
    assert prepared(picture, "Invert").getpixel((0, 0)) == (255, 255, 255)
    assert prepared(picture, "none") is picture
    assert prepared(picture, "tile_resample").getpixel((32, 32)) == (255, 255, 255)
    assert len(set(prepared(picture.resize((9, 9)), "threshold").get_flattened_data())) == 2
    assert prepared(picture, "canny", 2000, 3000).getbbox() is None
    with pytest.raises(UserError, match="canny"):
        prepared(picture, "cany")
