"""What the engine tests share: tiny models made once, the starter model, and a way to run a request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.family import EngineFamily
from engines.interface import RunContext
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.runtime import prepare_environment
from engines.types import GenerationRequest, Task

prepare_environment()

TINY = {family.key: family for family in REGISTRY.with_variants() if family.video is None}
VIDEO = {family.key: family for family in REGISTRY.with_variants() if family.video is not None}
FAMILIES = list(TINY)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRecord]:
    """A tiny random-weight model of every family and of every variant with other parts, by key: "sdxl-inpaint"."""
    return TinyModels(tmp_path_factory.mktemp("tiny"))


class TinyModels(dict[str, ModelRecord]):
    """Each model is made when somebody first asks for it."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, key: str) -> ModelRecord:
        from engines.tiny import make_tiny_model

        family = TINY[key]
        self[key] = tiny_record(family, make_tiny_model(family, self._root / key))
        return self[key]


def tiny_record(family: EngineFamily, path: Path) -> ModelRecord:
    """The record of a family's tiny model at `path`."""
    return ModelRecord(
        id=f"tiny-{family.key}",
        title=f"Tiny {family.title}",
        family=family.id,
        path=path,
        loader="diffusers-folder",
        weight_bytes=0,
        fingerprint=f"tiny-{family.key}",
        variants=family.variants,
    )


@pytest.fixture
def tiny_request(tiny_models: dict[str, ModelRecord]) -> Callable[..., GenerationRequest]:
    """Makes a small request for a family; any field can be given."""

    def make(family_id: str, **fields: object) -> GenerationRequest:
        family = TINY[family_id]
        values = {
            "model": f"tiny-{family_id}",
            "prompt": "a red apple",
            "seed": 7,
            "task": family.tasks[0],
            **family.defaults,
            "width": family.tiny.width,
            "height": family.tiny.height,
            "steps": 4,
            **fields,
        }
        return GenerationRequest.model_validate(values)

    return make


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """An input picture and a mask (right half white), 64x64."""
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(folder / "init.png")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    mask.save(folder / "mask.png")
    return {"init_image": folder / "init.png", "mask": folder / "mask.png"}


@pytest.fixture
def context(tmp_path: Path, pictures: dict[str, Path]) -> Callable[..., RunContext]:
    """Makes a run context with a staging folder of its own."""

    def make(name: str = "run", **fields: object) -> RunContext:
        staging = tmp_path / name
        staging.mkdir(exist_ok=True)
        return RunContext(staging=staging, inputs=pictures, **fields)  # pyright: ignore

    return make


ALL_TASKS = [(key, task) for key, family in TINY.items() for task in family.tasks]
# Their pipelines bring every picture to a megapixel before they look at it, which takes seconds: once is enough for every day.
SLOW = {key for key, family in TINY.items() if family.tasks == (Task.EDIT,)}
__all__ = ["ALL_TASKS", "FAMILIES", "SLOW", "TINY", "VIDEO", "Task"]
