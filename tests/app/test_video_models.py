"""Which model makes a video when nobody names one, and in which outline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.drafts import Draft
from app.models import ModelStore
from app.paths import STARTER, Paths
from app.resolve import resolve
from app.ui.page import build_page
from app.ui.words import Words
from app.wishes import Shape
from engines.api import ModelRecord, Task, family

STILL = ModelStore((STARTER,)).default()
OURS = replace(STILL, id="ours", family="animatediff", variants=(), defaults={})
THEIRS = replace(OURS, id="theirs", bundled=False)


class Store(ModelStore):
    def all(self) -> tuple[ModelRecord, ...]:
        return STILL, OURS, THEIRS


def test_the_persons_own_model_comes_before_a_bundled_one() -> None:
    models = Store((STARTER,))
    assert [each.id for each in models.able(Task.TEXT_TO_VIDEO)] == ["theirs", "ours"]
    assert resolve(models=models, values={"prompt": "x", "task": "text-to-video"}).record.id == "theirs"
    assert resolve(models=models, values={"prompt": "x", "task": "text-to-image"}).record.id == STILL.id
    models.preferred = "ours"
    assert resolve(models=models, values={"prompt": "x", "task": "text-to-video"}).record.id == "ours"
    assert models.able(Task.EXTEND_VIDEO) == ()


def test_a_video_has_the_outline_that_its_family_was_trained_on() -> None:
    begun = Draft().with_task(Task.TEXT_TO_VIDEO)
    assert begun.shape is Shape.WIDE
    square = begun.with_shape_of(family("animatediff"))
    assert square.shape is Shape.SQUARE
    assert square.with_shape_of(family("wan")).shape is Shape.WIDE
    assert begun.with_(shape=Shape.PORTRAIT).with_shape_of(family("animatediff")).shape is Shape.PORTRAIT
    assert Draft().with_shape_of(family("wan")).shape is Shape.SQUARE, "a picture"


@pytest.mark.parametrize(("able", "said"), [((STILL, OURS), True), ((STILL,), False)])
def test_the_page_says_which_modes_take_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: tuple[ModelRecord, ...], said: bool
) -> None:
    """Where no mode can be done the whole tab says so, as it did."""
    with build_services(Paths.below(tmp_path)) as services:
        monkeypatch.setattr(services.models, "all", lambda: able)
        page = json.dumps(build_page(services, Words("en")).get_config_file(), default=str)
    assert ("these yet: Image to video, Make longer" in page) is said
