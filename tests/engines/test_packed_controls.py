"""ControlNets for transformers over packed latents: diffusers' own numbers, tasks, resume, refusals."""

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
from engines.media import open_image
from engines.options import CONTROLNET, ControlUse
from engines.pipeline.guides import as_tensor
from engines.resident import ResidentEngine
from engines.tiny_addons import make_tiny_packed_controlnet
from engines.types import Task

from .test_engine import make, stop_and_go_on

FAMILY = "flux"


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


@pytest.fixture(scope="module")
def net(tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import FluxTransformer2DModel

    transformer = FluxTransformer2DModel.from_pretrained(tiny_models[FAMILY].path / "transformer")
    return make_tiny_packed_controlnet(transformer, tmp_path_factory.mktemp("nets") / "net.safetensors")


@pytest.fixture
def guided(context: Callable[..., RunContext], net: Path, pictures: dict[str, Path]) -> Callable[..., Any]:
    follow = pictures["init_image"].parent / "follow.png"
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(follow)

    def go(name: str = "run", **fields: Any) -> RunContext:
        ctx = context(name, **fields)
        return replace(ctx, inputs={**ctx.inputs, "controls.0": follow}, files={f"{CONTROLNET}net": net})

    return go


def use(**fields: Any) -> ControlUse:
    return ControlUse(file="net", image="follow.png", **fields)


@pytest.mark.parametrize("task", [Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE, Task.INPAINT])
def test_every_task_follows_and_nothing_stays(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, task: Task
) -> None:
    def run(name: str, *uses: ControlUse) -> bytes:
        ctx = replace(guided(name), with_metadata=False)
        request = tiny_request(FAMILY, task=task, steps=3, strength=0.9, controls=uses)
        return make(engine, tiny_models[FAMILY], request, ctx)

    plain, followed = run("a"), run("b", use())
    assert followed != plain
    assert run("c", use(weight=0)) == plain == run("d")
    assert run("e", use(end=0.5)) not in (plain, followed)


def test_resume_gives_the_same_bytes(engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any) -> None:
    request = tiny_request(FAMILY, steps=4, controls=[use()])
    whole = make(engine, tiny_models[FAMILY], request, guided("whole"))
    assert stop_and_go_on(engine, tiny_models[FAMILY], request, guided, 2) == whole


def test_the_latents_are_those_of_diffusers(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, net: Path, monkeypatch: Any
) -> None:
    from diffusers import FluxControlNetModel, FluxControlNetPipeline
    from diffusers.pipelines.flux import pipeline_flux_controlnet as theirs_module

    request, ctx = tiny_request(FAMILY, steps=4, controls=[use(weight=0.8, end=0.5)]), guided()
    seen: list[torch.Tensor] = []
    engine.load(tiny_models[FAMILY], ctx)
    inner: Any = engine._engine
    decode, inner._decode = inner._decode, lambda latents, *rest: seen.append(latents) or decode(latents, *rest)
    engine.generate(request, ctx)
    pipe = inner._pipe
    loaded = FluxControlNetModel.from_config({**pipe.transformer.config, "num_layers": 1, "num_single_layers": 1})
    loaded.load_state_dict(load_file(net))
    names = ("scheduler", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "transformer")
    theirs = FluxControlNetPipeline(**{name: getattr(pipe, name) for name in names}, controlnet=loaded.eval())
    monkeypatch.setattr(theirs_module, "retrieve_latents", lambda encoded, **_: encoded.latent_dist.mode())
    side = request.width
    picture = open_image(ctx.inputs["controls.0"]).resize((96, 64)).crop((16, 0, 80, 64)).resize((side, side))
    expected = theirs(
        prompt=request.prompt,
        control_image=as_tensor(picture, "cpu", torch.float32) * 2 - 1,
        width=request.width,
        height=request.height,
        num_inference_steps=4,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.5,
        output_type="latent",
        return_dict=False,
    )[0]
    assert torch.equal(seen[-1], expected)


@pytest.mark.parametrize("how", ["mode", "layer"])
def test_files_that_do_not_fit_are_refused(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, net: Path, tmp_path: Path, how: str
) -> None:
    tensors = load_file(net)
    if how == "mode":
        tensors["controlnet_mode_embedder.weight"] = torch.zeros(2, 2)
    else:
        del tensors["controlnet_blocks.0.weight"]
    save_file(tensors, tmp_path / "bad.safetensors")
    ctx = replace(guided(), files={f"{CONTROLNET}net": tmp_path / "bad.safetensors"})
    with pytest.raises(UserError) as caught:
        make(engine, tiny_models[FAMILY], tiny_request(FAMILY, steps=2, controls=[use()]), ctx)
    assert caught.value.code == "controlnet-not-for-model"
