"""A preset that names a family takes a model of it, and says which is missing; whoever names a model is obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.models import ModelStore
from app.paths import STARTER
from app.presets import Preset
from app.presets.store import PresetStore
from app.resolve import resolve
from engines.api import Task, UserError, family

PROMPT = {"prompt": "a house", "seed": 1}


@pytest.fixture(scope="module")
def models() -> ModelStore:
    return ModelStore((STARTER,))


def preset(family_id: str) -> Preset:
    return Preset(id="text-to-image/mine", title="Mine", family=family_id, values={"steps": 7})


def test_a_model_of_the_family_is_taken(models: ModelStore) -> None:
    made = resolve(models=models, preset=preset("sd15"), values=PROMPT)
    assert (made.record.family, made.request.steps) == ("sd15", 7)


def test_the_missing_family_is_named(models: ModelStore) -> None:
    with pytest.raises(UserError) as caught:
        resolve(models=models, preset=preset("flux"), values=PROMPT)
    assert caught.value.code == "model-none-for-preset"
    assert family("flux").title in str(caught.value) and caught.value.message.fixes
    named = resolve(models=models, preset=preset("flux"), model=models.default().id, values=PROMPT)
    assert named.record.family == "sd15"


def test_it_is_kept_in_files_and_copies(tmp_path: Path) -> None:
    store = PresetStore(tmp_path / "ours", tmp_path / "mine")
    made = store.new("Mine", Task.TEXT_TO_IMAGE, {"steps": 7}, family="sd15")
    store.save(made)
    assert store.get(made.id).family == "sd15"
    assert store.duplicate(made.id, "copy").family == "sd15"
