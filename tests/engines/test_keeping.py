"""Every way to hold a model gives the same picture: in turns, from its file, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engines.interface import RunContext
from engines.part_sizes import part_sizes
from engines.pipeline.keeping import load_kept, stream_part, working_device
from engines.placement import Demand, MachineFacts, decide_placement
from engines.plan import Keep, Placement, Plan, Way
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.resident import ResidentEngine
from engines.types import GenerationRequest

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]
DIFFERENT = ["sd15", "sdxl", "flux", "sd3", "z-image"]


def plan(record: ModelRecord, keep: Keep, tiled: bool = False) -> Plan:
    """A plan for the record that holds it in one certain way."""
    family = REGISTRY.of(record)
    made = decide_placement(MachineFacts("cpu", 10**12, False), part_sizes(record, family), family, Demand(64, 64))
    way = Way(keep, tiled)
    return replace(made, way=way, placement=replace(made.placement, keep=keep, tile_decode=tiled))


def in_half(record: ModelRecord, folder: Path) -> ModelRecord:
    """The model with its weights in float16, as most files have them."""
    import shutil

    shutil.copytree(record.path, folder)
    for path in folder.rglob("*.safetensors"):
        tensors = {
            name: value.half() if value.is_floating_point() else value for name, value in load_file(path).items()
        }
        save_file(tensors, path, metadata={"format": "pt"})
    return replace(record, path=folder, fingerprint=f"{record.fingerprint}-half")


def picture(record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> np.ndarray:
    engine = ResidentEngine()
    engine.load(record, ctx)
    made = engine.generate(request, ctx)
    return np.asarray(Image.open(made.artifacts[0].path), dtype=np.int16)


@pytest.mark.parametrize("key", DIFFERENT)
def test_parts_in_turns_give_the_same_bytes(
    tiny_models: Models, tiny_request: Requests, context: Contexts, key: str
) -> None:
    record, request = tiny_models[key], tiny_request(key, steps=2, count=2)
    whole = picture(record, request, context("whole", plan=plan(record, Keep.WHOLE)))
    turns = picture(record, request, context("turns", plan=plan(record, Keep.PARTS)))
    assert np.array_equal(whole, turns)


@pytest.mark.parametrize("key", DIFFERENT)
def test_layers_from_the_file_give_the_same_picture(
    tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path, key: str
) -> None:
    record, request = in_half(tiny_models[key], tmp_path / "half"), tiny_request(key, steps=2)
    whole = picture(record, request, context("whole", plan=plan(record, Keep.WHOLE)))
    mapped = picture(record, request, context("mapped", plan=plan(record, Keep.DISK)))
    assert np.abs(whole - mapped).max() <= 1


def test_only_one_group_is_in_memory(tiny_models: Models) -> None:
    record = tiny_models["sd15"]
    parts = load_kept(record, REGISTRY.of(record), Placement("cpu", "float32", keep=Keep.PARTS), lambda: None)

    def there(name: str) -> bool:
        return not any(value.is_meta for value in parts[name].parameters())

    assert there("text_encoder") and there("vae") and not there("unet")
    with torch.inference_mode():
        parts["unet"](torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, parts["unet"].config.cross_attention_dim))
    assert there("unet") and there("vae") and not there("text_encoder")


def test_a_mapped_part_keeps_its_layers_in_the_files_numbers(tiny_models: Models, tmp_path: Path) -> None:
    record = in_half(tiny_models["sd15"], tmp_path / "half")
    parts = load_kept(record, REGISTRY.of(record), Placement("cpu", "float32", keep=Keep.DISK), lambda: None)
    unet = parts["unet"]
    assert unet.dtype == torch.float32
    assert unet.conv_in.weight.dtype == torch.float16
    with torch.inference_mode():
        unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, unet.config.cross_attention_dim))
    assert unet.conv_in.weight.dtype == torch.float16, "the wide copy outlived the layer's turn"


def test_streamed_layers_give_the_same_numbers(tiny_models: Models, tmp_path: Path) -> None:
    """What a card's plan asks of diffusers, run from main memory to main memory, from memory and from disk."""
    record = tiny_models["flux"]
    family = REGISTRY.of(record)

    def loaded() -> torch.nn.Module:
        vae: torch.nn.Module = load_kept(record, family, Placement("cpu", "float32"), lambda: None)["vae"]
        return vae.to(memory_format=torch.contiguous_format)  # pyright: ignore  # as it is for a card

    latents = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    plain, streamed, from_disk = loaded(), loaded(), loaded()
    stream_part(streamed, "cpu")
    stream_part(from_disk, "cpu", tmp_path / "disk")
    with torch.inference_mode():
        expected = plain.decode(latents).sample  # pyright: ignore
        for other in (streamed, from_disk):
            assert torch.equal(expected, other.decode(latents).sample)  # pyright: ignore
    assert working_device(streamed).type == "cpu"


def test_planned_tiles_are_said(tiny_models: Models, tiny_request: Requests, context: Contexts) -> None:
    record, request = tiny_models["sd15"], tiny_request("sd15", width=640, height=576, steps=1, guidance=1.0)
    engine, ctx = ResidentEngine(), context("tiled", plan=plan(record, Keep.WHOLE, tiled=True))
    engine.load(record, ctx)
    made = engine.generate(request, ctx)
    assert any("tiles" in note for note in made.artifacts[0].notes)
