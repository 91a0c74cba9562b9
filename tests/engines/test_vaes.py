"""Another VAE than the model's own, on tiny models: three layouts of names, the own one back, refusals, the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.errors import UserError
from engines.interface import RunContext
from engines.media import read_metadata
from engines.options import VAE
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from tests.engines import originals
from tests.engines.single_files import weights_of

from .test_engine import make

OTHERS = ("sd2", "sd3", "flux", "flux2", "chroma", "qwen-image", "z-image", "lumina2", "sana")


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


def other_vae(folder: Path) -> dict[str, torch.Tensor]:
    """The tiny model's VAE with a decoder of its own."""
    made = torch.Generator().manual_seed(5)
    return {
        name: value + 0.05 * torch.randn(value.shape, generator=made) if name.startswith("decoder") else value
        for name, value in weights_of(folder / "vae").items()
    }


@pytest.fixture
def run(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, context: Callable[..., RunContext]
) -> Callable[..., bytes]:
    count = iter(range(1000))

    def go(vae: str = "", path: Path | None = None, family_id: str = "sd15", **fields: Any) -> bytes:
        files = {f"{VAE}{vae}": path} if path is not None else {}
        ctx = replace(context(f"run-{next(count)}"), files=files, with_metadata=False)
        return make(engine, tiny_models[family_id], tiny_request(family_id, steps=2, vae=vae, **fields), ctx)

    return go


def test_three_layouts_give_the_same_other_picture_and_the_own_comes_back(
    run: Callable[..., bytes], tiny_models: Any, tmp_path: Path
) -> None:
    tensors = other_vae(tiny_models["sd15"].path)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    layouts = {
        "diffusers": tensors,
        "original": originals.original_vae(tensors),
        "in-checkpoint": originals.under("first_stage_model.", originals.original_vae(tensors)),
        "old": {_renamed(name, old): value for name, value in tensors.items()},
    }
    plain = run()
    made = set()
    for name, layout in layouts.items():
        save_file({key: value.contiguous() for key, value in layout.items()}, tmp_path / f"{name}.safetensors")
        made.add(run(name, tmp_path / f"{name}.safetensors"))
    assert len(made) == 1 and plain not in made
    assert run() == plain
    started = run("diffusers", tmp_path / "diffusers.safetensors", task="image-to-image")
    assert started != run(task="image-to-image")


@pytest.mark.parametrize("family_id", ["sdxl", *(pytest.param(key, marks=pytest.mark.long) for key in OTHERS)])
def test_every_family_with_pictures_takes_one(
    run: Callable[..., bytes], tiny_models: Any, tmp_path: Path, family_id: str
) -> None:
    path = tmp_path / "other.safetensors"
    tensors = {key: value.contiguous() for key, value in other_vae(tiny_models[family_id].path).items()}
    save_file(tensors, path)
    plain = run(family_id=family_id)
    assert run("other", path, family_id) != plain
    assert run(family_id=family_id) == plain


def _renamed(name: str, names: dict[str, str]) -> str:
    for new, old in names.items():
        if "attentions" in name and f".{new}." in name:
            return name.replace(f".{new}.", f".{old}.")
    return name


def test_it_is_read_once_and_the_model_never_again(
    engine: ResidentEngine, run: Callable[..., bytes], tiny_models: Any, tmp_path: Path
) -> None:
    path = tmp_path / "v.safetensors"
    save_file(other_vae(tiny_models["sd15"].path), path)
    first = run("v", path)
    inner: Any = engine._engine
    loads = (inner.maker.addons.vaes.loads, engine.loads)
    run()
    assert run("v", path) == first
    assert (inner.maker.addons.vaes.loads, engine.loads) == loads


@pytest.mark.parametrize("how", ["channels", "missing", "nan", "cut", "gone"])
def test_files_that_do_not_fit_are_refused(
    run: Callable[..., bytes], tiny_models: Any, tmp_path: Path, how: str
) -> None:
    plain, path = run(), tmp_path / "bad.safetensors"
    tensors = other_vae(tiny_models["sd15"].path)
    if how == "channels":
        value = tensors["decoder.conv_in.weight"]
        tensors["decoder.conv_in.weight"] = value.repeat(1, 4, 1, 1).contiguous()
    if how == "missing":
        del tensors["decoder.conv_out.weight"]
    if how == "nan":
        tensors["decoder.conv_out.weight"][0] = float("nan")
    save_file(tensors, path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:400])
    if how == "gone":
        path.unlink()
    with pytest.raises(UserError) as caught:
        run("bad", path)
    expected = {"channels": "vae-not-for-model", "missing": "vae-not-for-model", "gone": "vae-missing"}
    assert caught.value.code == expected.get(how, "vae-broken")
    if how == "channels":
        assert "16 channels" in str(caught.value) and "have 4" in str(caught.value)
    assert run() == plain


def test_a_vae_of_another_family_is_refused_with_both_names(
    run: Callable[..., bytes], tiny_models: Any, tmp_path: Path
) -> None:
    """The first layers of FLUX's decoder at their real size, as its file has them."""
    plain, path = run(), tmp_path / "ae.safetensors"
    shapes = {"decoder.conv_in.weight": (512, 16, 3, 3), "decoder.conv_out.weight": (3, 128, 3, 3)}
    shapes |= {"encoder.conv_in.weight": (128, 3, 3, 3), "encoder.conv_out.weight": (32, 512, 3, 3)}
    shapes |= {
        "decoder.mid.block_1.conv1.weight": (512, 512, 3, 3),
        "encoder.down.0.block.0.conv1.weight": (1, 1, 3, 3),
    }
    save_file({name: torch.zeros(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}, path)
    with pytest.raises(UserError) as caught:
        run("ae", path)
    told = str(caught.value)
    assert caught.value.code == "vae-not-for-model"
    assert "Stable Diffusion 1.5" in told and "FLUX" in told, told
    assert run() == plain, "the next picture is as before"


def test_the_record_names_it(
    engine: ResidentEngine, tiny_models: Any, tiny_request: Any, context: Callable[..., RunContext], tmp_path: Path
) -> None:
    import hashlib

    path = tmp_path / "sharp.safetensors"
    save_file(other_vae(tiny_models["sd15"].path), path)
    ctx = replace(context(), files={f"{VAE}sharp": path})
    engine.load(tiny_models["sd15"], ctx)
    metadata = read_metadata(engine.generate(tiny_request("sd15", steps=2, vae="sharp"), ctx).artifacts[0].path)
    assert metadata.settings["VAE"] == "sharp"
    assert metadata.settings["VAE hash"] == hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    assert load_file(path)


def test_a_decoder_is_laid_out_for_the_processor(
    tiny_models: dict[str, ModelRecord], context: Callable[..., RunContext]
) -> None:
    engine = ResidentEngine()
    engine.load(tiny_models["sd15"], context("load"))
    vae = engine.current.model.parts["vae"]  # pyright: ignore
    weights = [each for each in vae.parameters() if each.ndim == 4]
    assert weights and all(each.is_contiguous(memory_format=torch.channels_last) for each in weights)
