"""The fold for second pass, masks and LoRAs: what shows when, and what it does to the wish."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from app.bootstrap import build_services
from app.paths import Paths
from app.services import Services
from app.ui.form import GenerationForm
from app.ui.views import IMAGE_TASKS
from app.ui.words import Words
from engines.api import LoraUse, Task


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with build_services(Paths.below(tmp_path)) as built:
        yield built


@pytest.fixture
def form(services: Services) -> GenerationForm:
    with gr.Blocks() as page:
        made = GenerationForm(services, Words("en"), "image", IMAGE_TASKS)
        made.wire(page)
    return made


def shown(form: GenerationForm, name: str) -> dict[str, Any]:
    return form.looks.structural()[form.parts.controls[name]]


def request(form: GenerationForm) -> Any:
    return form.kept.resolved(form.kept.get()).request


def test_the_second_pass_shows_its_numbers_when_it_is_on(form: GenerationForm) -> None:
    assert shown(form, "hires")["value"] is False and not shown(form, "hires.scale")["visible"]
    form.changes.set_by_hand("hires", True)
    assert shown(form, "hires")["value"] is True and shown(form, "hires.scale")["visible"]
    form.changes.set_by_hand("hires.scale", 1.5)
    form.changes.set_by_hand("hires.upscaler", "Latent")
    assert (request(form).hires.scale, request(form).hires.upscaler) == (1.5, "Latent")
    form.changes.set_by_hand("hires", False)
    assert request(form).hires is None


def test_mask_options_wait_for_inpainting_and_do_not_disturb_other_tasks(form: GenerationForm, tmp_path: Path) -> None:
    form.changes.set_by_hand("masking.blur", 4)
    assert not shown(form, "masking.blur")["visible"]
    assert request(form).masking is None
    form.changes.chosen("task", str(Task.INPAINT))
    assert shown(form, "masking.blur")["visible"] and shown(form, "masking.blur")["value"] == 4
    form.changes.set_by_hand("masking.only_masked", True)
    assert shown(form, "masking.padding")["visible"]
    assert not shown(form, "hires")["visible"]


def test_what_is_added_decides_the_size(form: GenerationForm, services: Services, tmp_path: Path) -> None:
    Image.new("RGB", (128, 96)).save(tmp_path / "p.png")
    form.changes.chosen("task", str(Task.INPAINT))
    form.parts.pictures.take_picture(str(tmp_path / "p.png"))
    form.changes.set_by_hand("outpaint", True)
    form.changes.set_by_hand("outpaint.left", 0)
    made = request(form)
    assert (made.width, made.height, made.strength) == (128 + 64, 96 + 128, 1.0)


def test_loras_are_chosen_as_the_prompt_writes_them(form: GenerationForm) -> None:
    form.changes.loras_chosen(["style:0.5", "other", "no:t:a:lora"])
    assert request(form).loras == (LoraUse(file="style", weight=0.5), LoraUse(file="other"))
    update = form.looks.structural()[form.parts.loras]
    assert update["value"] == ["style:0.5", "other"]
