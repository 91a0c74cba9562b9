"""Both sides of the benchmark make the same picture: what is compared is the same work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.benchmark.easel_side import EaselSide
from engines.benchmark.plain_side import PlainSide
from engines.benchmark.took import Took, mean_step
from engines.records import ModelRecord
from engines.types import GenerationRequest

Requests = Callable[..., GenerationRequest]


@pytest.mark.parametrize("key", ["sd15", "sdxl", "flux", "sd3"])
def test_the_pictures_are_the_same(
    tiny_models: dict[str, ModelRecord], tiny_request: Requests, tmp_path: Path, key: str
) -> None:
    (tmp_path / "easel").mkdir()
    easel, plain = EaselSide(tmp_path / "easel"), PlainSide(tmp_path)
    request = tiny_request(key, negative_prompt="blurred")
    for side in (easel, plain):
        assert side.load(tiny_models[key]).peak > 0
    made, theirs = easel.picture(request), plain.picture(request)
    assert made.step is not None and made.decode is not None and theirs.step is not None and theirs.decode is not None
    ours = np.asarray(Image.open(next((tmp_path / "easel").rglob("image-*.png"))), np.int16)
    others = np.asarray(Image.open(next(tmp_path.glob("plain-*.png"))), np.int16)
    assert np.abs(ours - others).max() <= 1


def test_the_second_picture_encodes_nothing_on_one_side_alone(
    tiny_models: dict[str, ModelRecord], tiny_request: Requests, tmp_path: Path
) -> None:
    (tmp_path / "easel").mkdir()
    easel, plain = EaselSide(tmp_path / "easel"), PlainSide(tmp_path)
    calls = []
    for side in (easel, plain):
        side.load(tiny_models["sd15"])
        calls.append([side.picture(tiny_request("sd15", seed=seed)).encoder_calls for seed in (1, 2)])
    assert calls[0][0] > 0 and calls[0][1] == 0
    assert calls[1][0] == calls[1][1] > 0


def test_another_weight_of_a_lora_loads_nothing(
    tiny_models: dict[str, ModelRecord], tiny_request: Requests, tmp_path: Path
) -> None:
    side = EaselSide(tmp_path)
    side.load(tiny_models["sd15"])
    made = side.lora_weights(tiny_request("sd15"))
    assert [each.loads for each in made] == [1, 0, 0]
    pictures = {path.read_bytes() for path in tmp_path.rglob("image-*.png")}
    assert len(pictures) == len(made) + 1, "each weight gives another picture, and the model alone too"


def test_a_script_is_given_what_json_can_carry(
    tiny_models: dict[str, ModelRecord], tiny_request: Requests, tmp_path: Path
) -> None:
    import json

    plain = PlainSide(tmp_path)
    plain.load(tiny_models["sd15"])
    wish = plain.script(tiny_request("sd15", sampler="Euler"))
    assert wish is not None and json.loads(json.dumps(wish)) == wish
    assert wish["sampler"][0] == "EulerDiscreteScheduler" and wish["call"]["num_inference_steps"] == 4


def test_a_step_is_the_mean_between_the_first_and_the_last() -> None:
    assert mean_step([Took(1.0, 1.0), Took(2.0, 3.0), Took(4.0, 7.0)]) == Took(1.5, 3.0)
    assert mean_step([Took(1.0, 1.0)]) is None
