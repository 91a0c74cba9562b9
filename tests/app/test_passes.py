"""Passes from the outside: how they are written down, what is refused and with which way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.addons import addon_files
from app.models import ModelStore
from app.nested import fold, merged
from app.paths import STARTER
from app.resolve import resolve
from app.validate import validate
from engines.api import GenerationRequest, Task, UserError, family


@pytest.fixture(scope="module")
def models() -> ModelStore:
    return ModelStore((STARTER,))


def resolved(models: ModelStore, **values: Any) -> GenerationRequest:
    return resolve(models=models, values={"prompt": "a house", "seed": 1, **values}).request


def refusal(models: ModelStore, request: GenerationRequest) -> UserError:
    with pytest.raises(UserError) as caught:
        validate(request, family(models.get(request.model).family))
        addon_files(request, models.get(request.model), models)
    assert caught.value.message.fixes
    return caught.value


@pytest.fixture
def picture(tmp_path: Path) -> str:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "p.png")
    return str(tmp_path / "p.png")


def test_parts_are_gathered_under_their_field() -> None:
    assert fold({"hires_scale": "2", "hires.strength": 0.4, "steps": 3, "seed": None}) == {
        "hires": {"scale": "2", "strength": 0.4},
        "steps": 3,
    }
    assert fold({"hires": "off"}) == {"hires": None}
    assert fold({"hires": '{"scale": 3}'}) == {"hires": {"scale": 3}}
    assert merged({"scale": 2, "steps": 5}, {"scale": 3}) == {"scale": 3, "steps": 5}
    assert merged({"scale": 2}, None) is None
    with pytest.raises(UserError, match="hires"):
        fold({"hires": "twice"})


def test_a_request_with_passes_is_the_same_through_json(models: ModelStore) -> None:
    request = resolved(models, hires_scale="1.5", hires_upscaler="latent (NEAREST)")
    assert request.hires is not None
    assert (request.hires.scale, request.hires.upscaler) == (1.5, "Latent (nearest)")
    assert GenerationRequest.model_validate_json(request.model_dump_json()) == request
    assert request.with_(seed=5).hires == request.hires


def test_what_was_added_around_a_picture_is_drawn_wholly(models: ModelStore, picture: str) -> None:
    request = resolved(models, init_image=picture, outpaint_left=32, width=96, height=64)
    assert (request.task, request.strength) == (Task.INPAINT, 1.0)
    assert resolved(models, init_image=picture, outpaint_left=32, strength=0.5).strength == 0.5
    validate(request, family(models.get(request.model).family))


@pytest.mark.parametrize("value", ["inf", "nan", "0.5", "9", "many"])
def test_numbers_that_make_no_sense_are_refused(models: ModelStore, value: str) -> None:
    with pytest.raises(UserError) as caught:
        resolved(models, hires_scale=value)
    assert caught.value.params["field"] == "hires.scale"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"hires_upscaler": "Lanzcos"}, "upscaler-unknown"),
        ({"hires_scale": 4, "width": 2048, "height": 512}, "hires-too-large"),
        ({"masking_blur": 4}, "option-not-for-task"),
        ({"task": "inpaint", "outpaint": {}}, "outpaint-nothing"),
        ({"task": "inpaint", "outpaint_left": 512, "width": 512}, "outpaint-too-wide"),
        ({"task": "inpaint", "outpaint_left": 64, "masking_only_masked": True}, "outpaint-only-masked"),
        ({"task": "inpaint", "hires_scale": 2}, "option-not-for-task"),
        ({"task": "upscale", "width": 20000, "height": 20000}, "upscale-too-large"),
        ({"task": "upscale", "upscaler": "Latent"}, "upscaler-unknown"),
        ({"task": "upscale", "count": 2}, "value-out-of-range"),
    ],
)
def test_what_cannot_be_met_is_refused_before_it_begins(
    models: ModelStore, picture: str, values: dict[str, Any], code: str
) -> None:
    request = resolved(models, init_image=picture, task=values.pop("task", "text-to-image"), **values)
    assert refusal(models, request).code == code


def test_an_upscale_needs_no_model_and_a_tiled_one_does(models: ModelStore, picture: str) -> None:
    plain = resolved(models, init_image=picture, task="upscale", width=130, height=131)
    assert not plain.needs_model
    validate(plain, family(models.get(plain.model).family))
    tiled = resolved(models, init_image=picture, task="upscale", tiles_side=64, width=130, height=131)
    assert tiled.needs_model
    assert refusal(models, tiled.with_(strength=0.0)).code == "too-few-steps"
