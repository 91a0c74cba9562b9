"""Upscaler models through spandrel, where it is installed: a tiny ESRGAN, in tiles, for a second pass; refusals without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engines.errors import UserError
from engines.identify import Kind, identify
from engines.interface import RunContext
from engines.pipeline import enlarge as enlarging
from engines.registry import REGISTRY
from engines.upscalers import upscaler_models_possible

from .test_engine import make

FEATURES, GROWTH = 8, 32  # spandrel reads the features from the file; the growth is always 32


def esrgan(path: Path) -> Path:
    """A Real-ESRGAN of one block with random weights that enlarges four times, by its usual names."""
    made = torch.Generator().manual_seed(2)
    sizes = {"conv_first": (FEATURES, 3), "conv_last": (3, FEATURES)}
    sizes |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (FEATURES, FEATURES))
    for block in (1, 2, 3):
        for layer in range(1, 6):
            wide = FEATURES if layer == 5 else GROWTH
            sizes[f"body.0.rdb{block}.conv{layer}"] = (wide, FEATURES + (layer - 1) * GROWTH)
    tensors = {}
    for name, (out, into) in sizes.items():
        tensors[f"{name}.weight"] = torch.randn(out, into, 3, 3, generator=made) * 0.1
        tensors[f"{name}.bias"] = torch.rand(out, generator=made) * 0.1
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def spandrel_works() -> bool:
    if not upscaler_models_possible():
        return False
    try:
        import spandrel  # noqa: F401  # pyright: ignore
    except Exception:  # torchvision for another torch
        return False
    return True


needs_spandrel = pytest.mark.skipif(not spandrel_works(), reason="spandrel with its torchvision is an extra")


def test_the_file_is_known_for_what_it_is(tmp_path: Path) -> None:
    assert identify(esrgan(tmp_path / "x4.safetensors"), REGISTRY.all()).kind is Kind.UPSCALER


@needs_spandrel
def test_a_picture_is_enlarged_and_tiles_leave_no_seam(
    context: Callable[..., RunContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = replace(context(), files={"x4": esrgan(tmp_path / "x4.safetensors")})
    picture = Image.radial_gradient("L").resize((72, 56)).convert("RGB")
    whole = enlarging.enlarge(picture, (288, 224), name="x4", ctx=ctx)
    assert whole.size == (288, 224)
    monkeypatch.setattr(enlarging, "TILE", 40)
    monkeypatch.setattr(enlarging, "OVERLAP", 24)
    tiled = enlarging.enlarge(picture, (288, 224), name="x4", ctx=ctx)
    difference = np.abs(np.asarray(whole, dtype=int) - np.asarray(tiled, dtype=int))
    assert difference.mean() < 1.5
    assert enlarging.enlarge(picture, (100, 80), name="x4", ctx=ctx).size == (100, 80)


@needs_spandrel
def test_a_second_pass_with_it(
    tiny_models: Any, tiny_request: Any, context: Callable[..., RunContext], tmp_path: Path
) -> None:
    from engines.resident import ResidentEngine

    engine, path = ResidentEngine(), esrgan(tmp_path / "x4.safetensors")
    made = [
        make(
            engine,
            tiny_models["sd15"],
            tiny_request("sd15", steps=3, hires={"scale": 1.5, "upscaler": name}),
            replace(context(name), files={"x4": path}, with_metadata=False),
        )
        for name in ("x4", "Lanczos")
    ]
    assert made[0] != made[1]


@needs_spandrel
def test_a_file_that_is_none_is_refused(context: Callable[..., RunContext], tmp_path: Path) -> None:
    save_file({"conv_first.weight": torch.zeros(2, 2)}, tmp_path / "bad.safetensors")
    ctx = replace(context(), files={"bad": tmp_path / "bad.safetensors"})
    with pytest.raises(UserError) as caught:
        enlarging.enlarge(Image.new("RGB", (8, 8)), (16, 16), name="bad", ctx=ctx)
    assert caught.value.code == "upscaler-broken"


def test_without_spandrel_the_way_out_is_told(
    context: Callable[..., RunContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spandrel", None)
    ctx = replace(context(), files={"x4": esrgan(tmp_path / "x4.safetensors")})
    with pytest.raises(UserError) as caught:
        enlarging.enlarge(Image.new("RGB", (8, 8)), (16, 16), name="x4", ctx=ctx)
    assert caught.value.code == "upscaler-needs-extra" and caught.value.message.fixes


def test_a_pickle_is_never_opened(context: Callable[..., RunContext], tmp_path: Path) -> None:
    (tmp_path / "x4.pth").write_bytes(b"\x80\x02}q\x00.")
    ctx = replace(context(), files={"x4": tmp_path / "x4.pth"})
    with pytest.raises(UserError) as caught:
        enlarging.enlarge(Image.new("RGB", (8, 8)), (16, 16), name="x4", ctx=ctx)
    assert caught.value.code == "model-pickle"
