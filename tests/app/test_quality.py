"""Draft, Normal and Best in numbers, through files and back."""

from __future__ import annotations

from typing import Any

import pytest

from app.foreign import readable
from app.validate import validate
from app.wishes import EFFORT, QUICK_EFFORT, Quality, quality_values
from engines.api import GenerationRequest, Shortcuts, UserError, families, family
from engines.media.infotext import parse_infotext, write_infotext
from engines.records import ModelRecord


def usual(name: str, **fields: Any) -> GenerationRequest:
    found = family(name)
    return GenerationRequest(model="a", prompt="a cat", seed=1, **{**found.defaults, "task": found.tasks[0], **fields})


def test_normal_and_best_leave_nothing_out() -> None:
    request = usual("sd15")
    assert quality_values(Quality.NORMAL, request, family("sd15")) == {"steps": 25}
    assert quality_values(Quality.BEST, request, family("sd15")) == {"steps": 40}


@pytest.mark.parametrize("name", [each.id for each in families()])
def test_a_draft_takes_what_the_family_can(name: str) -> None:
    found, request = family(name), usual(name)
    values = quality_values(Quality.DRAFT, request, found)
    wish = Shortcuts(**values.get("shortcuts") or {})
    assert values["steps"] <= request.steps
    assert not wish.reuses or found.cache is not None
    assert not wish.shortens_guidance or found.guidance.together
    made = request.with_(**values)
    if not made.task.needs_image and not made.task.needs_video:
        validate(made, found)


def test_a_draft_has_fewer_steps_where_each_one_is_in_full() -> None:
    quick = quality_values(Quality.DRAFT, usual("sd15", steps=30), family("sd15"))
    slow = quality_values(Quality.DRAFT, usual("lumina2", steps=30), family("lumina2"))
    assert (quick["steps"], slow["steps"]) == (30 * QUICK_EFFORT, 30 * EFFORT[Quality.DRAFT])


def test_models_made_for_few_steps_are_not_shortened() -> None:
    assert quality_values(Quality.DRAFT, usual("sdxl", steps=4, guidance=0.0), family("sdxl")) == {"steps": 4}


@pytest.mark.parametrize(
    ("name", "wish", "code"),
    [
        ("lumina2", {"every": 2}, "cache-not-for-model"),
        ("flux", {"guided_to": 0.5}, "guidance-interval-not-for-model"),
    ],
)
def test_what_a_family_cannot_is_refused_with_those_that_can(name: str, wish: dict[str, Any], code: str) -> None:
    with pytest.raises(UserError) as error:
        validate(usual(name, shortcuts=wish), family(name))
    assert error.value.code == code


@pytest.mark.parametrize(
    "wish",
    [
        {"every": 3},
        {"every": 2, "change": 0.4, "guided_to": 0.7},
        {"guided_from": 0.1, "guided_to": 0.9},
    ],
)
def test_shortcuts_come_back_from_an_infotext(wish: dict[str, Any]) -> None:
    from pathlib import Path

    record = ModelRecord("a", "A model", "sd15", Path("a"), "diffusers-folder", 0)
    text = write_infotext(usual("sd15", shortcuts=wish), record, {})
    assert Shortcuts(**readable(parse_infotext(text))["shortcuts"]) == Shortcuts(**wish)


def test_a_file_without_shortcuts_has_none() -> None:
    from pathlib import Path

    record = ModelRecord("a", "A model", "sd15", Path("a"), "diffusers-folder", 0)
    text = write_infotext(usual("sd15"), record, {})
    assert "shortcuts" not in readable(parse_infotext(text))
