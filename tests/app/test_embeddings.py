"""Embeddings from the outside: found by name in a prompt, refused by family with both names, never a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.addons import addon_files
from app.embeddings import known_embeddings
from app.models import ModelStore
from app.paths import STARTER
from engines.api import EMBEDDING, GenerationRequest, Kind, ModelRecord, UserError, family

SHAPES: dict[str, dict[str, tuple[int, int]]] = {
    "easynegative": {"emb_params": (8, 768)},
    "unreal-xl": {"clip_l": (2, 768), "clip_g": (2, 1280)},
    "cat": {"clip_l": (2, 768), "clip_g": (2, 1280)},
    "both": {"emb_params": (1, 768)},
    "xl/both": {"clip_l": (2, 768), "clip_g": (2, 1280)},
}


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    for name, shapes in SHAPES.items():
        path = tmp_path / "embeddings" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: np.zeros(shape, np.float32) for key, shape in shapes.items()}, path)
    (tmp_path / "embeddings" / "bad-prompt.pt").write_bytes(b"\x80\x02}q\x00.")
    return ModelStore((STARTER, tmp_path))


def record_of(family_id: str) -> ModelRecord:
    return ModelRecord(id="m", title="My model", family=family_id, path=Path(), loader="", weight_bytes=0)


def named(models: ModelStore, prompt: str, family_id: str = "sd15", **fields: Any) -> dict[str, str]:
    defaults = family(family_id).defaults
    request = GenerationRequest.model_validate({"model": "m", "prompt": prompt, "seed": 1, **defaults, **fields})
    found = addon_files(request, record_of(family_id), models)
    return {name.removeprefix(EMBEDDING): path.parent.name for name, path in found.items()}


def test_they_are_found_by_name(models: ModelStore) -> None:
    assert {file.name for file in models.files(Kind.EMBEDDING)} == {"easynegative", "unreal-xl", "cat", "both"}
    assert named(models, "a house", negative_prompt="(EasyNegative:1.1), blurry") == {"easynegative": "embeddings"}
    assert named(models, "<embedding:easynegative>") == {"easynegative": "embeddings"}
    assert named(models, "a house") == {}


def test_texts_that_chance_settled_count(models: ModelStore) -> None:
    texts = (("a house", ""), ("a house", "easynegative"))
    assert named(models, "a {house|x}", texts=texts, count=2) == {"easynegative": "embeddings"}


def test_of_two_with_a_name_the_one_for_the_model_is_taken(models: ModelStore) -> None:
    assert named(models, "both") == {"both": "embeddings"}
    assert named(models, "both", "sdxl") == {"both": "xl"}


def test_one_for_another_family_is_refused_with_both_names(models: ModelStore) -> None:
    for prompt in ("unreal-xl", "embedding:cat"):
        with pytest.raises(UserError) as caught:
            named(models, prompt)
        assert caught.value.code == "addon-wrong-family"
        assert family("sdxl").title in str(caught.value) and family("sd15").title in str(caught.value)


def test_a_word_that_is_also_a_word_is_a_word_to_other_models(models: ModelStore) -> None:
    assert named(models, "a cat on a mat") == {}
    assert named(models, "a cat on a mat", "sdxl") == {"cat": "embeddings"}


def test_unknown_names_and_pickles_are_refused(models: ModelStore) -> None:
    with pytest.raises(UserError) as caught:
        named(models, "embedding:easynegativ")
    assert (caught.value.code, caught.value.params["nearest"][0]) == ("embedding-unknown", "easynegative")
    with pytest.raises(UserError) as caught:
        named(models, "a house", negative_prompt="bad-prompt")
    assert caught.value.code == "model-pickle"


def test_families_that_read_otherwise_say_so(models: ModelStore) -> None:
    assert named(models, "easynegative", "flux") == {}
    with pytest.raises(UserError) as caught:
        named(models, "embedding:easynegative", "flux")
    assert caught.value.code == "embeddings-not-for-family"
    assert known_embeddings(record_of("flux"), models) == {}
