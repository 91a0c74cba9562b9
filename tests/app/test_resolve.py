"""From wishes to a request: which layer wins, what is refused, and that each refusal says what works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.models import ModelStore
from app.paths import BUNDLED_PRESETS, STARTER
from app.presets import PresetStore
from app.resolve import Resolved, resolve
from app.validate import validate
from engines.api import SEED_MAX, GenerationRequest, ModelRecord, Task, UserError, family, family_of

MODELS = ModelStore((STARTER,))
PRESETS = PresetStore(BUNDLED_PRESETS, Path("no-such-folder"))


def wish(preset: str | None = None, **values: Any) -> Resolved:
    chosen = PRESETS.get(preset) if preset else None
    return resolve(models=MODELS, preset=chosen, values={"prompt": "a red apple", **values})


def test_a_picture_means_an_edit_to_a_model_that_edits() -> None:
    record = replace(MODELS.default(), id="editor", family="flux2", variants=())

    class Store(ModelStore):
        def get(self, name: str) -> ModelRecord:
            return record

    given = {"prompt": "x", "model": "editor", "init_image": "a.png"}
    assert resolve(models=Store((STARTER,)), values=given).request.task is Task.EDIT
    assert resolve(models=Store((STARTER,)), values={**given, "mask": "m.png"}).request.task is Task.INPAINT


def test_pictures_to_look_at_are_for_edits(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    error = refusal(init_image=str(tmp_path / "a.png"), reference_2=str(tmp_path / "a.png"))
    assert (error.code, error.params["room"]) == ("references-too-many", 0)


def refusal(**values: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        resolved = wish(**values)
        validate(resolved.request, family(resolved.record.family))
    return caught.value


def test_later_layers_win_and_say_so() -> None:
    resolved = wish("draft", guidance="2.5")
    request, origins = resolved.request, resolved.origins
    assert (request.width, origins["width"].layer) == (64, "model")
    assert (request.steps, origins["steps"].layer) == (8, "preset")
    assert (request.guidance, origins["guidance"].layer) == (2.5, "you")
    assert (request.strength, origins["strength"].layer) == (0.75, "family")
    assert origins["seed"].layer == "chance"


def test_a_file_replays_exactly() -> None:
    request = wish("best", seed=5).request
    assert resolve(models=MODELS, source=request, source_name="x.png").request == request


@pytest.mark.parametrize("seed", [None, -1, "-1"])
def test_a_seed_is_drawn_once(seed: Any) -> None:
    seeds = {wish(seed=seed).request.seed for _ in range(4)}
    assert len(seeds) > 1
    assert all(0 <= each <= SEED_MAX for each in seeds)


def test_names_of_other_programs_are_understood() -> None:
    request = wish(sampler="dpmpp_2m_sde", scheduler="karras").request
    assert (request.sampler, request.scheduler) == ("DPM++ 2M SDE", "Karras")


def test_a_schedule_that_nobody_chose_gives_way() -> None:
    assert wish(sampler="DDIM").request.scheduler == "Normal"
    assert refusal(sampler="DDIM", scheduler="Karras").code == "schedule-not-for-sampler"


def test_pictures_say_what_is_meant() -> None:
    assert wish(init_image="a.png").request.task is Task.IMAGE_TO_IMAGE
    assert wish(init_image="a.png", mask="m.png").request.task is Task.INPAINT
    assert wish(init_image="a.png", task="text-to-image").request.task is Task.TEXT_TO_IMAGE


@pytest.mark.parametrize(
    ("values", "code", "word"),
    [
        ({"width": "65"}, "size-not-allowed", "64 or 72"),
        ({"height": 8}, "size-not-allowed", "64"),
        ({"width": 4096}, "size-not-allowed", "2048"),
        ({"width": 2048, "height": 2048}, "too-many-pixels", "2.1"),
        ({"steps": 151}, "value-out-of-range", "150"),
        ({"steps": 0}, "value-invalid", "greater than 0"),
        ({"steps": "many"}, "value-invalid", "many"),
        ({"guidance": 31}, "value-out-of-range", "30"),
        ({"guidance": "nan"}, "value-invalid", "guidance"),
        ({"count": 65}, "value-out-of-range", "64"),
        ({"seed": 2**32}, "value-invalid", "4294967295"),
        ({"sampler": "Eulr"}, "sampler-unknown", "Euler"),
        ({"scheduler": "Karas"}, "scheduler-unknown", "Karras"),
        ({"model": "startr"}, "model-unknown", "starter"),
        ({"stepz": 3}, "field-unknown", "steps"),
        ({"task": "image-to-video"}, "model-none-for-task", "image-to-video"),
        ({"task": "nonsense"}, "value-invalid", "text-to-image"),
        ({"task": "image-to-image"}, "init-image-needed", "image-to-image"),
        ({"init_image": "no-such.png"}, "init-image-missing", "no-such.png"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(values: dict[str, Any], code: str, word: str) -> None:
    error = refusal(**values)
    assert error.code == code
    message = error.message
    assert word in " ".join((message.title, message.cause, *message.fixes))
    assert error.exit_status == 2


def test_pictures_are_looked_at_before_the_job_is_accepted(tmp_path: Path) -> None:
    for name, size in (("a", (64, 64)), ("b", (32, 64))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    picture, other, broken = (str(tmp_path / f"{name}.png") for name in ("a", "b", "broken"))
    assert refusal(init_image=broken).code == "init-image-broken"
    assert refusal(init_image=picture, mask=broken).code == "mask-broken"
    differs = refusal(init_image=picture, mask=other)
    assert (differs.code, differs.params["mask_size"]) == ("mask-size-differs", "32x64")
    assert refusal(init_image=picture, steps=2, strength=0.2).code == "too-few-steps"


def test_a_request_survives_json() -> None:
    request = wish("best", seed=5, negative_prompt="ü\n“x”").request
    assert GenerationRequest.model_validate_json(request.model_dump_json()) == request


@given(st.integers(-10, 5000))
def test_the_nearest_size_that_is_named_works(width: int) -> None:
    each = family("sd15")
    try:
        validate(wish(width=width, seed=1).request, each)
    except UserError as error:
        if error.code == "size-not-allowed":
            for nearest in error.params["nearest"].split(" or "):
                validate(wish(width=nearest, seed=1).request, each)


def test_a_presets_sampler_gives_way_where_the_model_cannot_use_it() -> None:
    record = replace(MODELS.default(), id="flow", family="chroma", variants=())

    class Store(ModelStore):
        def get(self, name: str) -> ModelRecord:
            return record

    resolved = resolve(models=Store((STARTER,)), preset=PRESETS.get("normal"), values={"prompt": "x", "model": "flow"})
    assert resolved.request.sampler in family_of(record).samplers
    assert resolved.origins["sampler"].detail == "DPM++ 2M is not for Chroma"
    kept = resolve(models=Store((STARTER,)), values={"prompt": "x", "model": "flow", "sampler": "Euler a"})
    assert kept.request.sampler == "Euler a", "what the person chose is refused aloud and not changed"
