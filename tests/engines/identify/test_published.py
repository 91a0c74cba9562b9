"""Every model that Easel lists is told from the header that its real configuration has, in every layout that goes around."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.identify import Identified, Kind, identify
from engines.registry import REGISTRY
from tests.engines.identify.headers import fixture, write_gguf, write_safetensors
from tests.engines.identify.published import PARTS, TRANSFORMERS

FAMILIES = REGISTRY.all()


def told(path: Path) -> Identified:
    return identify(path, FAMILIES)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformer_is_told_alone_with_a_prefix_and_as_gguf(name: str, tmp_path: Path) -> None:
    tensors, (family, variants) = fixture(name), TRANSFORMERS[name]
    prefixed = {f"model.diffusion_model.{key}": value for key, value in tensors.items()}
    packed = {key: ("F16", shape) for key, (_, shape) in tensors.items()}
    files = [
        write_safetensors(tmp_path / "plain.safetensors", tensors),
        write_safetensors(tmp_path / "prefixed.safetensors", prefixed),
        write_gguf(tmp_path / "packed.gguf", packed),
    ]
    for path in files:
        found = told(path)
        assert (found.kind, found.family, found.variants) == (Kind.DENOISER, family, variants), (path, found.reasons)
        assert any(REGISTRY.get(family).title in reason for reason in found.reasons)
        assert {part for part in found.missing if part != "transformer_2"}, "it holds no other part"
        renamed = path.rename(path.with_name("sd_xl_base_vae_lora.ckpt"))
        assert replace(told(renamed), path=path, problem=None) == replace(found, problem=None)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_told_and_fits_all_that_can_use_it(name: str, tmp_path: Path) -> None:
    kind, fits = PARTS[name]
    found = told(write_safetensors(tmp_path / "flux1-dev.gguf", fixture(name)))
    assert found.kind is kind, found.reasons
    assert set(found.fits) >= fits
    video = {each.id for each in FAMILIES if each.video is not None}
    assert {family for family, _ in found.fits} <= {family for family, _ in fits} | video
    assert len(found.reasons) > 1


def test_sd_2_is_told_whole(tmp_path: Path) -> None:
    found = told(write_safetensors(tmp_path / "a", fixture("sd2-checkpoint")))
    assert (found.kind, found.family, found.missing) == (Kind.CHECKPOINT, "sd2", ())


@pytest.mark.parametrize(
    "name", ["wan-14b-flf2v", "hunyuan-video15 of its makers", "ltx2 of 2.3", "sana of Sprint's makers"]
)
def test_layouts_that_nobody_reads_send_to_the_folder(name: str, tmp_path: Path) -> None:
    one = ("BF16", [1472])
    tensors = {
        "hunyuan-video15 of its makers": {
            "byt5_in.layernorm.weight": one,
            "img_in.proj.weight": one,
            "double_blocks.0.img_attn_q.weight": one,
        },
        "ltx2 of 2.3": {**fixture("ltx2"), "transformer_blocks.0.attn1.to_gate_logits.weight": one},
        "sana of Sprint's makers": {**fixture("sana-1.6b"), "cfg_embedder.mlp.0.weight": one},
    }.get(name) or fixture(name)
    found = told(write_safetensors(tmp_path / "a", tensors))
    assert found.family and found.problem is not None
    assert found.problem.code == "model-layout-unreadable"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_every_family_has_a_fixture(family) -> None:
    known = {family for family, _ in TRANSFORMERS.values()} | {
        family for _, fits in PARTS.values() for family, _ in fits
    }
    assert family.id in known
