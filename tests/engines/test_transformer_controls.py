"""ControlNets for transformers: diffusers' own numbers, tasks, resume, networks of different depths, refusals."""

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
from engines.pipeline.controls import KINDS
from engines.pipeline.controls.nets import check_fit
from engines.pipeline.guides import as_tensor
from engines.pipeline.shortcuts.first_block import FirstBlock
from engines.resident import ResidentEngine
from engines.tiny_addons import NETS, make_tiny_transformer_controlnet, tiny_transformer_net
from engines.types import Task
from tests.engines.identify.headers import fixture
from tests.fixtures.make_headers import configuration

from .conftest import TINY
from .test_engine import make, stop_and_go_on

# Stability's build for 3.5 large reads no words and has the transformer's own positions.
WORDLESS = {"joint_attention_dim": None, "use_pos_embed": False, "force_zeros_for_pooled_projection": False}
BUILDS: dict[str, tuple[str, dict[str, Any]]] = {
    "flux": ("flux", {}),
    "flux-deep": ("flux", {"num_layers": 2}),
    "sd3": ("sd3", {}),
    "sd3-deep": ("sd3", {"num_layers": 2}),
    "sd3-wordless": ("sd3", WORDLESS),
    "qwen-image": ("qwen-image", {}),
    "qwen-image-deep": ("qwen-image", {"num_layers": 2}),
}
FAMILIES = ("flux", "sd3", "qwen-image")
THEIRS = {
    "flux": ("flux.pipeline_flux_controlnet", "FluxControlNetPipeline"),
    "sd3": ("controlnet_sd3.pipeline_stable_diffusion_3_controlnet", "StableDiffusion3ControlNetPipeline"),
    "qwen-image": ("qwenimage.pipeline_qwenimage_controlnet", "QwenImageControlNetPipeline"),
}
GUIDANCE = {"flux": "guidance_scale", "sd3": "guidance_scale", "qwen-image": "true_cfg_scale"}
TASKS = [Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE, Task.INPAINT]


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


@pytest.fixture(scope="module")
def transformer(tiny_models: Any) -> Callable[[str], Any]:
    import diffusers

    classes = {NETS[name][0]: name for name in NETS}
    by_family = {"flux": "FluxControlNetModel", "sd3": "SD3ControlNetModel", "qwen-image": "QwenImageControlNetModel"}

    def of(family_id: str) -> Any:
        model = getattr(diffusers, classes[by_family[family_id]])
        return model.from_pretrained(tiny_models[family_id].path / "transformer")

    return of


@pytest.fixture(scope="module")
def nets(transformer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("nets")
    return {
        key: make_tiny_transformer_controlnet(transformer(family_id), folder / f"{key}.safetensors", **changes)
        for key, (family_id, changes) in BUILDS.items()
    }


@pytest.fixture
def guided(context: Callable[..., RunContext], nets: dict[str, Path], pictures: dict[str, Path]) -> Callable[..., Any]:
    follow = pictures["init_image"].parent / "follow.png"
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(follow)
    files = {f"{CONTROLNET}{key}": path for key, path in nets.items()}

    def go(name: str = "run", **fields: Any) -> RunContext:
        ctx = context(name, **fields)
        return replace(ctx, inputs={**ctx.inputs, "controls.0": follow, "controls.1": follow}, files=files)

    return go


def use(file: str, **fields: Any) -> ControlUse:
    return ControlUse(file=file, image="follow.png", **fields)


@pytest.mark.parametrize(
    ("family_id", "task"),
    [
        pytest.param(each, task, marks=[] if task is TASKS[0] else [pytest.mark.long])
        for each in FAMILIES
        for task in TASKS
    ],
)
def test_every_task_follows_and_nothing_stays(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, family_id: str, task: Task
) -> None:
    def run(name: str, *uses: ControlUse) -> bytes:
        ctx = replace(guided(name), with_metadata=False)
        request = tiny_request(family_id, task=task, steps=3, strength=0.9, controls=uses)
        return make(engine, tiny_models[family_id], request, ctx)

    plain, followed = run("a"), run("b", use(family_id))
    assert followed != plain
    assert run("c", use(family_id, weight=0)) == plain == run("d")
    assert run("e", use(family_id, end=0.5)) not in (plain, followed)
    both = run("f", use(family_id), use(f"{family_id}-deep"))
    assert both not in (plain, followed, run("g", use(f"{family_id}-deep")))


@pytest.mark.parametrize("family_id", FAMILIES)
def test_resume_gives_the_same_bytes(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, family_id: str
) -> None:
    request = tiny_request(family_id, steps=4, controls=[use(family_id)])
    whole = make(engine, tiny_models[family_id], request, guided("whole"))
    assert stop_and_go_on(engine, tiny_models[family_id], request, guided, 2) == whole


@pytest.mark.parametrize("build", ["flux", "sd3", "sd3-deep", "sd3-wordless", "qwen-image"])
def test_the_latents_are_those_of_diffusers(
    engine: ResidentEngine,
    tiny_models: Any,
    tiny_request: Any,
    guided: Any,
    nets: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    build: str,
) -> None:
    import importlib

    family_id, changes = BUILDS[build]
    request, ctx = tiny_request(family_id, steps=4, controls=[use(build, weight=0.8, end=0.5)]), guided()
    seen: list[torch.Tensor] = []
    engine.load(tiny_models[family_id], ctx)
    inner: Any = engine._engine
    passes = inner.maker.passes
    decode, passes.decode = passes.decode, lambda latents, *rest: seen.append(latents) or decode(latents, *rest)
    engine.generate(request, ctx)
    passes.decode = decode
    pipe = passes.pipe
    loaded = tiny_transformer_net(pipe.transformer, **changes)
    loaded.load_state_dict(load_file(nets[build]))
    module = importlib.import_module(f"diffusers.pipelines.{THEIRS[family_id][0]}")
    theirs = getattr(module, THEIRS[family_id][1])(**pipe.components, controlnet=loaded)
    looks_by_mean(monkeypatch, module, pipe.vae)
    picture = open_image(ctx.inputs["controls.0"]).resize((96, 64)).crop((16, 0, 80, 64)).resize((request.width,) * 2)
    expected = theirs(
        prompt=request.prompt,
        negative_prompt=None if family_id == "flux" else " " if family_id == "qwen-image" else "",
        control_image=as_tensor(picture, "cpu", torch.float32) * 2 - 1,
        width=request.width,
        height=request.height,
        num_inference_steps=4,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.5,
        output_type="latent",
        return_dict=False,
        **{GUIDANCE[family_id]: request.guidance},
    )[0]
    apart = (seen[-1].flatten() - expected.flatten()).abs().max()
    assert apart == 0, float(apart)


def looks_by_mean(monkeypatch: pytest.MonkeyPatch, module: Any, vae: Any) -> None:
    """Have diffusers show the networks the VAE's mean instead of a draw: a draw would change the seed's noise.

    And let it encode the picture once: for guidance it encodes two copies together, which rounds otherwise.
    """
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    if hasattr(module, "retrieve_latents"):
        monkeypatch.setattr(module, "retrieve_latents", lambda encoded, **_: encoded.latent_dist.mode())
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, *_: self.mode())
    encode = vae.encode
    monkeypatch.setattr(vae, "encode", lambda pictures: encode(pictures[:1]))


@pytest.mark.parametrize(
    ("fixture_name", "family_id", "size"),
    [
        ("flux-controlnet", "flux", None),
        ("sd3-controlnet", "sd3", 2),
        ("sd3-large-controlnet", "sd3", 1),
        ("qwen-image-controlnet", "qwen-image", None),
    ],
)
def test_published_files_fit_the_real_models(fixture_name: str, family_id: str, size: int | None) -> None:
    """By names and shapes, at full size: nothing is computed, and no weight exists."""
    import diffusers

    config = configuration(family_id, "transformer", size, ())
    kind = KINDS[str(TINY[family_id].control)]
    with torch.device("meta"):
        transformer = getattr(diffusers, config["_class_name"]).from_config(config)
        tensors = {name: torch.empty(shape) for name, (_kind, shape) in fixture(fixture_name).items()}
    net, tensors = kind.build(transformer, tensors)
    check_fit(net, tensors)
    assert len(net.transformer_blocks) == len(net.controlnet_blocks) >= 5


@pytest.mark.parametrize(
    ("family_id", "change"),
    [
        ("flux", "controlnet_mode_embedder.weight"),
        ("flux", "-controlnet_blocks.0.weight"),
        ("sd3", "-controlnet_blocks.0.weight"),
        ("sd3", "wide pos_embed_input.proj.weight"),
        ("qwen-image", "-txt_norm.weight"),
        ("qwen-image", "wide controlnet_x_embedder.weight"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    engine: ResidentEngine,
    tiny_models: Any,
    tiny_request: Any,
    guided: Any,
    nets: dict[str, Path],
    tmp_path: Path,
    family_id: str,
    change: str,
) -> None:
    tensors = load_file(nets[family_id])
    if change.startswith("-"):
        del tensors[change[1:]]
    elif change.startswith("wide "):
        tensors[change[5:]] = torch.cat([tensors[change[5:]]] * 2, dim=1)  # one that sees a mask beside the picture
    else:
        tensors[change] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "bad.safetensors")
    ctx = replace(guided(), files={f"{CONTROLNET}net": tmp_path / "bad.safetensors"})
    with pytest.raises(UserError) as caught:
        make(engine, tiny_models[family_id], tiny_request(family_id, steps=2, controls=[use("net")]), ctx)
    assert caught.value.code == "controlnet-not-for-model"


@pytest.mark.parametrize("key", ["flux", "flux-double", "qwen-image"])
def test_a_cached_step_is_guided_once(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, guided: Any, key: str
) -> None:
    """The same call again, answered from the cache, is the same answer: what a ControlNet adds is not added twice."""
    family_id = key.removesuffix("-double")
    engine.load(tiny_models[family_id], guided("load"))
    transformer: Any = engine.current.model.denoisers[0]  # pyright: ignore
    calls: list[dict[str, Any]] = []
    hook = transformer.register_forward_hook(lambda _m, _a, kwargs, _o: calls.append(kwargs), with_kwargs=True)
    request = tiny_request(family_id, steps=2, guidance=1.0, controls=[use(family_id)])
    engine.generate(request, guided("call"))
    hook.remove()
    kwargs = calls[0]
    if key.endswith("-double"):  # a network for the first list of blocks alone
        kwargs = {name: value for name, value in kwargs.items() if name != "controlnet_single_block_samples"}
    full = iter((True, False))
    cache = FirstBlock(transformer, lambda: next(full), 1.0)
    cache.install()
    try:
        with torch.no_grad():
            answers = []
            for _step in range(2):
                cache.begin_step(True)
                answers.append(transformer(**kwargs)[0])
    finally:
        cache.remove()
    assert torch.allclose(answers[0], answers[1], atol=1e-3), (answers[0] - answers[1]).abs().max()
