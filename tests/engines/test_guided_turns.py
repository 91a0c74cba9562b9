"""Models with ControlNets, IP-Adapters and LoRAs in turn: what is in use stays, what goes comes back to the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engines.errors import Cancelled
from engines.interface import CancelToken, RunContext
from engines.options import CONTROLNET, IP_ADAPTER, IP_ENCODER
from engines.resident import ResidentEngine
from engines.tiny_addons import make_tiny_controlnet, make_tiny_ip_adapter, make_tiny_picture_encoder

from .test_resident import Models, Requests, make, roomy

KEYS = ("sd15", "sdxl")
QUERY = {
    "sd15": "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "sdxl": "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
}
WISH = {
    "steps": 2,
    "controls": [{"file": "net", "image": "one.png"}],
    "ip_adapters": [{"file": "look", "image": "one.png"}],
    "loras": [{"file": "ink", "weight": 0.8}],
}


@pytest.fixture(scope="module")
def files(tiny_models: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    from diffusers import UNet2DConditionModel

    folder = tmp_path_factory.mktemp("guides")
    eye = make_tiny_picture_encoder(folder / "eye.safetensors")
    found = {}
    for key in KEYS:
        unet: Any = UNet2DConditionModel.from_pretrained(tiny_models[key].path / "unet")
        width = unet.get_submodule(QUERY[key].removeprefix("unet.")).weight.shape[0]
        made = torch.Generator().manual_seed(1)
        parts = [torch.randn(size, generator=made) for size in ((2, width), (width, 2))]
        names = (f"{QUERY[key]}.lora_A.weight", f"{QUERY[key]}.lora_B.weight")
        save_file(dict(zip(names, parts, strict=True)), folder / f"{key}-ink.safetensors")
        found[key] = {
            f"{CONTROLNET}net": make_tiny_controlnet(unet, folder / f"{key}-net.safetensors"),
            f"{IP_ADAPTER}look": make_tiny_ip_adapter(unet, folder / f"{key}-look.safetensors"),
            f"{IP_ENCODER}look": eye,
            "ink": folder / f"{key}-ink.safetensors",
        }
    return found


@pytest.fixture
def guided(
    tiny_models: Models,
    tiny_request: Requests,
    context: Callable[..., RunContext],
    files: dict[str, dict[str, Path]],
    pictures: dict[str, Path],
) -> Callable[..., bytes]:
    """Makes a picture with every guide on, by a model that may take `budget` bytes with its guides' `numbers`."""
    one = pictures["init_image"].parent / "one.png"
    Image.linear_gradient("L").resize((80, 60)).convert("RGB").save(one)
    count = iter(range(100))

    def go(
        engine: ResidentEngine, key: str, budget: int = 10**12, numbers: int = 0, token: CancelToken | None = None
    ) -> bytes:
        plan = roomy(tiny_models[key], budget)
        plan = replace(plan, demand=replace(plan.demand, guides=numbers))
        ctx = replace(context(f"run-{next(count)}", plan=plan), files=files[key], with_metadata=False)
        ctx = replace(ctx, inputs={**ctx.inputs, "controls.0": one, "ip_adapters.0": one})
        if token is not None:
            ctx = replace(ctx, on_progress=lambda progress: token.cancel() if progress.step else None, token=token)
        return make(engine, tiny_models[key], tiny_request(key, **WISH), ctx)

    return go


def loads(engine: ResidentEngine) -> tuple[int, int, int]:
    """How often LoRAs, IP-Adapters and ControlNets of the present model were read."""
    inner: Any = engine.current
    return inner.maker.addons.loras.loads, inner.maker.addons.looks.loads, inner.maker.addons.guides.nets.loads


def test_guides_stay_with_a_model_that_stays(guided: Callable[..., bytes]) -> None:
    engine = ResidentEngine()
    first, other = guided(engine, "sd15"), guided(engine, "sdxl")
    assert guided(engine, "sd15") == first
    assert loads(engine) == (1, 1, 1)
    assert guided(engine, "sdxl") == other
    assert loads(engine) == (1, 1, 1)
    assert (engine.loads, engine.resident) == (2, 2)


def test_a_model_that_went_comes_back_with_its_guides(guided: Callable[..., bytes]) -> None:
    engine = ResidentEngine()
    first = guided(engine, "sd15")
    guided(engine, "sdxl", budget=0)
    assert engine.resident == 1
    assert guided(engine, "sd15", budget=0) == first
    assert (engine.loads, engine.resident) == (3, 1)


def test_what_guides_another_model_counts_when_room_is_made(guided: Callable[..., bytes], tiny_models: Models) -> None:
    engine = ResidentEngine()
    guided(engine, "sd15", numbers=10**9)  # 4 GB in float32
    room = roomy(tiny_models["sdxl"]).peak + 3 * 10**9
    guided(engine, "sdxl", budget=room)
    assert engine.resident == 1, "the first model's guides took the room"
    guided(engine, "sd15")
    guided(engine, "sdxl", budget=room)
    assert engine.resident == 2


def test_what_a_stopped_picture_brought_counts_too(guided: Callable[..., bytes], tiny_models: Models) -> None:
    engine = ResidentEngine()
    with pytest.raises(Cancelled):
        guided(engine, "sd15", numbers=10**9, token=CancelToken())
    guided(engine, "sdxl", budget=roomy(tiny_models["sdxl"]).peak + 3 * 10**9)
    assert engine.resident == 1, "the first model's guides took the room"
