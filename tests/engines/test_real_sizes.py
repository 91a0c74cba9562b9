"""Files of the real sizes fit the configurations that Easel brings: every tensor has its place, with not one byte of weights."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from engines.family import EngineFamily
from engines.header import read_header
from engines.identify import Kind, identify
from engines.loaders import PART_CLASSES
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.single_file.configs import CONFIGS, config_folder
from engines.single_file.encoders import check_complete
from engines.single_file.load import _plain
from engines.single_file.weights import denoiser_names
from tests.engines import original_headers as originals
from tests.engines.identify.headers import fixture, write_safetensors
from tests.engines.identify.published import PARTS, TRANSFORMERS


def empty(tensors: dict[str, tuple[str, list[int]]]) -> dict[str, Any]:
    """Tensors of the full shapes that share one number each."""
    import torch

    return {name: torch.zeros((), dtype=torch.float16).expand(shape) for name, (_, shape) in tensors.items()}


def parts_of(family: EngineFamily, weights: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A checkpoint's tensors by part, as the loader takes them out of a file."""
    found = {
        part: {k: v for k, v in weights.items() if k.startswith(before)}
        for part, before in family.detection.prefixes.items()
    }
    taken = {name for part in found.values() for name in part}
    return {**found, family.denoiser: denoiser_names({k: v for k, v in weights.items() if k not in taken})}


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_checkpoint_of_the_real_size_fits(name: str) -> None:
    import json

    import torch

    family = REGISTRY.get(name)
    classes = json.loads((CONFIGS / name / "model_index.json").read_text(encoding="utf-8"))
    for part, weights in parts_of(family, empty(fixture(f"{name}-checkpoint"))).items():
        class_name = classes[part][1]
        assert class_name in PART_CLASSES
        check_complete(
            _plain(
                getattr(importlib.import_module(PART_CLASSES[class_name]), class_name),
                weights,
                Path(CONFIGS / name),
                part,
                torch.float16,
            )
        )


LARGE = REGISTRY.get("sd3").single_file
PUBLISHED = {
    "flux": ("flux", originals.flux(), {}),
    "flux schnell": ("flux", originals.flux(guidance=False), {"guidance_embeds": False}),
    "flux fill": ("flux", originals.flux(384), {"in_channels": 384}),
    "chroma": ("chroma", originals.chroma(), {}),
    "sd3 medium": ("sd3", originals.sd3(24, 13, True, 384), {}),
    "sd3 large": ("sd3", originals.sd3(38, 0, True, 192), LARGE.sizes[0].configs["transformer"] if LARGE else {}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_transformer_fits(name: str) -> None:
    """On the meta device throughout: with memory behind them, these would take up to 24 GB."""
    import json

    import torch
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    family, tensors, changes = PUBLISHED[name]
    config = json.loads((CONFIGS / family / "transformer" / "config.json").read_text(encoding="utf-8")) | dict(changes)
    class_name = config["_class_name"]
    convert = SINGLE_FILE_LOADABLE_CLASSES[class_name]["checkpoint_mapping_fn"]
    with torch.device("meta"):
        part_class = getattr(importlib.import_module(PART_CLASSES[class_name]), class_name)
        wanted = {key: value.shape for key, value in part_class.from_config(config).state_dict().items()}
        given = convert({key: torch.empty(shape) for key, (_, shape) in tensors.items()}, config=config)
    assert {key: value.shape for key, value in given.items()} == wanted


READABLE = [
    name
    for name, (family, _) in TRANSFORMERS.items()
    if REGISTRY.get(family).single_file is not None and name != "wan-14b-flf2v"
]


@pytest.mark.parametrize("name", READABLE)
def test_the_configuration_is_found_by_the_file_itself(name: str, tmp_path: Path) -> None:
    """Told by its header, laid together, built on the meta device: every tensor has its place, no place is empty."""
    import json

    import torch
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    tensors = fixture(name)
    found = identify(write_safetensors(tmp_path / "a.safetensors", tensors), REGISTRY.all())
    record = ModelRecord("a", "a", found.family, found.path, "single-file", 0, variants=found.variants)
    family = REGISTRY.of(record)
    with config_folder(record, family) as folder:
        config = json.loads((folder / family.denoiser / "config.json").read_text(encoding="utf-8"))
    class_name = config["_class_name"]
    with torch.device("meta"):
        part_class = getattr(importlib.import_module(PART_CLASSES[class_name]), class_name)
        wanted = {key: value.shape for key, value in part_class.from_config(config).state_dict().items()}
        given = {key: torch.empty(shape) for key, (_, shape) in denoiser_names(tensors).items()}
        if given.keys() != wanted.keys():
            convert = SINGLE_FILE_LOADABLE_CLASSES[class_name]["checkpoint_mapping_fn"]
            given = convert(given, config=config)
    assert {key: value.shape for key, value in given.items()} == wanted


ENCODERS = {
    name: next(iter(sorted(fits))) for name, (kind, fits) in PARTS.items() if kind in (Kind.TEXT_ENCODER, Kind.VAE)
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_lone_part_of_the_real_size_fits(name: str, tmp_path: Path) -> None:
    """Text encoders and decoders from files that hold them alone."""
    import torch

    family_id, named = ENCODERS[name]
    part, _, variant = named.partition("@")
    path = write_safetensors(tmp_path / "model.safetensors", fixture("z-image"))
    record = ModelRecord("a", "a", family_id, path, "single-file", 0, variants=(variant,) if variant else ())
    with config_folder(record, REGISTRY.of(record)) as folder:
        class_name = read_header(folder).parts[part]
        part_class = getattr(importlib.import_module(PART_CLASSES[class_name]), class_name)
        check_complete(_plain(part_class, empty(fixture(name)), folder, part, torch.float16))
