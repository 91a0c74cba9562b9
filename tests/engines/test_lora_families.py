"""LoRAs beyond the first family: each that takes them changes with one, and is as it was without; one encoder alone too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engines.interface import RunContext
from engines.options import LoraUse
from engines.resident import ResidentEngine

from .test_engine import make

PARTS = {
    "sd2": ("unet",),
    "sdxl": ("unet", "text_encoder", "text_encoder_2"),
    "sd3": ("transformer",),
    "flux": ("transformer", "text_encoder"),
    "qwen-image": ("transformer",),
    "z-image": ("transformer",),
}
CASES = [(family_id, part) for family_id, parts in PARTS.items() for part in parts]
ENDS = ("to_q", "q_proj", "out_proj")  # the libraries tell the layout of a text encoder's file by its last one
EVERY_DAY = {"sdxl", "flux", "sd3"}


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


def lora_for(part: str, module: Any, path: Path, layout: str) -> Path:
    """Low-rank additions to the first queries of a part, as diffusers or kohya name them."""
    made = torch.Generator().manual_seed(len(part))  # LoRAs are told apart by their numbers
    named = [(name, each) for name, each in module.named_modules() if name.endswith(ENDS)][:2]
    tensors = {}
    for name, layer in named:
        into, out = layer.weight.shape[1], layer.weight.shape[0]
        down, up = torch.randn(2, into, generator=made), torch.randn(out, 2, generator=made)
        if layout == "kohya":
            words = {"text_encoder": "lora_te1_text_model_", "text_encoder_2": "lora_te2_text_model_"}
            plain = name.removeprefix("text_model.").replace(".", "_")
            stem = f"{words.get(part, 'lora_unet_')}{plain}"
            tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
            tensors[f"{stem}.alpha"] = torch.tensor(2.0)
        else:
            tensors |= {f"{part}.{name}.lora_A.weight": down, f"{part}.{name}.lora_B.weight": up}
    save_file(tensors, path)
    return path


def with_marks(cases: list[tuple[str, str]]) -> list[Any]:
    return [
        pytest.param(*case, marks=[] if case[0] in EVERY_DAY else [pytest.mark.long], id="-".join(case))
        for case in cases
    ]


@pytest.mark.parametrize(("family_id", "part"), with_marks(CASES))
def test_a_lora_on_one_part_counts_and_leaves_no_trace(
    engine: ResidentEngine,
    tiny_models: Any,
    tiny_request: Any,
    context: Callable[..., RunContext],
    tmp_path: Path,
    family_id: str,
    part: str,
) -> None:
    count = iter(range(100))

    def run(*uses: LoraUse) -> bytes:
        ctx = replace(context(f"run-{next(count)}"), files={"x": path}, with_metadata=False)
        return make(engine, tiny_models[family_id], tiny_request(family_id, steps=2, loras=uses), ctx)

    path = tmp_path / "none.safetensors"
    plain = run()
    inner: Any = engine._engine
    layout = "kohya" if family_id == "sdxl" else "diffusers"
    path = lora_for(part, inner.model.parts[part], tmp_path / "x.safetensors", layout)
    with_it = run(LoraUse(file="x"))
    assert with_it != plain
    assert run(LoraUse(file="x", weight=0.3)) not in (plain, with_it)
    assert run(LoraUse(file="x", weight=0)) == plain
    assert run() == plain
    assert run(LoraUse(file="x")) == with_it
    if part.startswith("text_"):
        assert run(LoraUse(file="x", weight=1, text_weight=0)) == plain
    else:
        assert run(LoraUse(file="x", weight=0, text_weight=1)) == plain
