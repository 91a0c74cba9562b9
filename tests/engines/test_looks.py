"""IP-Adapters on tiny models: diffusers' own numbers, put on and off without a trace, resume, refusals, the record."""

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
from engines.media import read_metadata
from engines.options import CONTROLNET, IP_ADAPTER, IP_ENCODER, IpAdapterUse
from engines.resident import ResidentEngine
from engines.tiny_addons import make_tiny_controlnet, make_tiny_ip_adapter, make_tiny_picture_encoder
from engines.types import Task

from .test_engine import make, stop_and_go_on

CASES = [
    ("sd15", Task.TEXT_TO_IMAGE),
    ("sd15", Task.INPAINT),
    ("sdxl", Task.TEXT_TO_IMAGE),
    pytest.param("sdxl", Task.IMAGE_TO_IMAGE, marks=pytest.mark.long),
]


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


@pytest.fixture(scope="module")
def files(tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from diffusers import UNet2DConditionModel

    folder = tmp_path_factory.mktemp("looks")
    eye = make_tiny_picture_encoder(folder / "eye.safetensors")
    found = {}
    for place, key in enumerate(("sd15", "sdxl", "sd15-second")):
        unet = UNet2DConditionModel.from_pretrained(tiny_models[key.partition("-")[0]].path / "unet")
        found[f"{IP_ADAPTER}{key}"] = make_tiny_ip_adapter(unet, folder / f"{key}.safetensors", seed=place)
        found[f"{IP_ENCODER}{key}"] = eye
        if key == "sd15":
            found[f"{CONTROLNET}net"] = make_tiny_controlnet(unet, folder / "net.safetensors")
    return found


@pytest.fixture
def looking(
    context: Callable[..., RunContext], files: dict[str, Path], pictures: dict[str, Path]
) -> Callable[..., Any]:
    folder = pictures["init_image"].parent
    Image.linear_gradient("L").resize((80, 60)).convert("RGB").save(folder / "one.png")
    Image.effect_noise((50, 70), 90).convert("RGB").save(folder / "two.png")

    def go(name: str = "run", picture: str = "one", **fields: Any) -> RunContext:
        ctx = context(name, **fields)
        seen = dict.fromkeys(("ip_adapters.0", "ip_adapters.1", "controls.0"), folder / f"{picture}.png")
        return replace(ctx, inputs={**ctx.inputs, **seen}, files=files)

    return go


def use(file: str, **fields: Any) -> IpAdapterUse:
    return IpAdapterUse(file=file, image="one.png", **fields)


@pytest.mark.parametrize(("family_id", "task"), CASES)
def test_a_look_is_taken_over_and_leaves_no_trace(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, looking: Any, family_id: str, task: Task
) -> None:
    count = iter(range(100))

    def run(*uses: IpAdapterUse, picture: str = "one", **fields: Any) -> bytes:
        ctx = replace(looking(f"run-{next(count)}", picture), with_metadata=False)
        request = tiny_request(family_id, task=task, steps=2, strength=0.9, ip_adapters=uses, **fields)
        return make(engine, tiny_models[family_id], request, ctx)

    plain = run()
    seen = run(use(family_id))
    assert seen != plain
    assert run(use(family_id), picture="two") not in (plain, seen)
    assert run(use(family_id, weight=0.2)) not in (plain, seen)
    assert run(use(family_id, weight=0)) == plain
    assert run() == plain
    assert run(use(family_id)) == seen
    if family_id == "sd15" and task is Task.TEXT_TO_IMAGE:
        control = {"controls": [{"file": "net", "image": "one.png"}]}
        assert len({plain, seen, run(**control), run(use(family_id), **control)}) == 4
        assert run(use("sd15"), use("sd15-second")) not in (plain, seen)
        assert run(use("sd15"), guidance=1.0) != run(guidance=1.0)


def test_the_latents_are_those_of_diffusers(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, looking: Any, files: dict[str, Path], tmp_path: Path
) -> None:
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    from engines.pipeline.picture_encoder import _config, pixels_of

    request, ctx = (
        tiny_request("sd15", steps=3, ip_adapters=[use("sd15")], sampler="Euler", scheduler="Normal"),
        looking(),
    )
    seen: list[torch.Tensor] = []
    engine.load(tiny_models["sd15"], ctx)
    inner: Any = engine._engine
    passes = inner.maker.passes
    decode, passes.decode = passes.decode, lambda latents, *rest: seen.append(latents) or decode(latents, *rest)
    engine.generate(request, ctx)
    eye = files[f"{IP_ENCODER}sd15"]
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**_config(load_file(eye), eye)))
    encoder.load_state_dict(load_file(eye), strict=False)
    inner.maker.addons.looks.use(passes.pipe, request.with_(ip_adapters=()), ctx)  # the model as it was
    names = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    theirs = StableDiffusionPipeline(
        **{name: getattr(passes.pipe, name) for name in names},
        image_encoder=encoder.eval(),
        safety_checker=None,
        feature_extractor=CLIPImageProcessorPil(),  # pyright: ignore
        requires_safety_checker=False,
    )
    place = files[f"{IP_ADAPTER}sd15"]
    theirs.load_ip_adapter(str(place.parent), subfolder="", weight_name=place.name, image_encoder_folder=None)
    theirs.set_ip_adapter_scale(0.7)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(
        prompt=request.prompt,
        negative_prompt="",
        ip_adapter_image=pixels_of(Image.open(ctx.inputs["ip_adapters.0"]), 32),
        width=64,
        height=64,
        num_inference_steps=3,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
        return_dict=False,
    )[0]
    theirs.unload_ip_adapter()
    assert torch.equal(seen[-1], expected)


def test_resume_gives_the_same_bytes(engine: ResidentEngine, tiny_models: Any, tiny_request: Any, looking: Any) -> None:
    request = tiny_request("sd15", steps=4, ip_adapters=[use("sd15")], sampler="Euler a", scheduler="Normal")
    whole = make(engine, tiny_models["sd15"], request, looking("whole"))
    assert stop_and_go_on(engine, tiny_models["sd15"], request, looking, 3) == whole


@pytest.mark.parametrize("how", ["family", "cut", "nan", "half", "encoder", "gone"])
def test_files_that_do_not_fit_are_refused_and_the_model_goes_on(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, looking: Any, files: Any, tmp_path: Path, how: str
) -> None:
    plain = make(engine, tiny_models["sd15"], tiny_request("sd15", steps=2), looking("before"))
    path, eye = tmp_path / "bad.safetensors", files[f"{IP_ENCODER}sd15"]
    tensors = load_file(files[f"{IP_ADAPTER}{'sdxl' if how == 'family' else 'sd15'}"])
    if how == "nan":
        tensors["image_proj.proj.weight"][0] = float("nan")
    if how == "half":
        tensors = {name: value for name, value in tensors.items() if name.startswith("ip_adapter")}
    save_file(tensors, path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    if how == "gone":
        path.unlink()
    if how == "encoder":
        eye = tmp_path / "eye.safetensors"
        save_file({"vision_model.pre_layrnorm.weight": torch.ones(4)}, eye)
    ctx = replace(looking("bad"), files={f"{IP_ADAPTER}bad": path, f"{IP_ENCODER}bad": eye})
    with pytest.raises(UserError) as caught:
        make(engine, tiny_models["sd15"], tiny_request("sd15", steps=2, ip_adapters=[use("bad")]), ctx)
    expected = {"family": "ip-adapter-not-for-model", "gone": "ip-adapter-missing", "encoder": "ip-encoder-broken"}
    assert caught.value.code == expected.get(how, "ip-adapter-broken")
    assert caught.value.message.fixes
    assert make(engine, tiny_models["sd15"], tiny_request("sd15", steps=2), looking("after")) == plain


def test_the_record_says_what_was_looked_at(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, looking: Any
) -> None:
    request, ctx = tiny_request("sd15", steps=1, ip_adapters=[use("sd15", weight=0.5)]), looking()
    engine.load(tiny_models["sd15"], ctx)
    metadata = read_metadata(engine.generate(request, ctx).artifacts[0].path)
    assert metadata.request == request
    assert metadata.settings["IP-Adapter 0"] == "Model: sd15, Weight: 0.5"


def test_encoders_are_matched_by_their_sizes(files: dict[str, Path], tmp_path: Path) -> None:
    from engines.api import sees_for

    eye = files[f"{IP_ENCODER}sd15"]
    assert sees_for(files[f"{IP_ADAPTER}sd15"], eye)
    save_file({"image_proj.proj.weight": torch.zeros(64, 48)}, tmp_path / "other.safetensors")
    assert not sees_for(tmp_path / "other.safetensors", eye)
    save_file({"image_proj.proj_in.weight": torch.zeros(16, 32)}, tmp_path / "plus.safetensors")
    assert sees_for(tmp_path / "plus.safetensors", eye)
