"""Files of the real sizes fit the configurations that Easel brings: every tensor has its place, with not one byte of weights."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from engines.family import EngineFamily
from engines.loaders import PART_CLASSES
from engines.registry import REGISTRY
from engines.single_file.configs import CONFIGS
from engines.single_file.encoders import check_complete
from engines.single_file.load import _plain
from engines.single_file.weights import denoiser_names
from tests.engines.identify.headers import fixture


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
