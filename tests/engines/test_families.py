"""What every family's description has to keep: its numbers fit together, and its tiny model is known for what it is."""

from __future__ import annotations

import pytest

from engines.family import GuidanceKind, Negative
from engines.identify import identify
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.samplers import SAMPLERS, SCHEDULERS
from engines.types import Task

from .conftest import FAMILIES, TINY

EVERY_VARIANT = [
    family.as_variant(names) for family in REGISTRY.all() for names in ((), *((n,) for n in family.changes))
]


@pytest.mark.parametrize("family", EVERY_VARIANT, ids=lambda family: family.key)
def test_defaults_are_within_the_limits(family) -> None:
    values, limits = family.defaults, family.limits
    for side in (values["width"], values["height"], family.tiny.width, family.tiny.height):
        assert limits.min_side <= side <= limits.max_side
        assert side % limits.side_multiple == 0
    assert values["width"] * values["height"] <= limits.max_pixels
    assert 1 <= values["steps"] <= limits.max_steps
    assert 0 <= values["guidance"] <= limits.max_guidance
    assert values["sampler"] in family.samplers
    assert values["scheduler"] in SAMPLERS[values["sampler"]].schedules
    assert set(family.samplers) <= set(SAMPLERS)
    assert set(family.schedulers) <= set(SCHEDULERS)


@pytest.mark.parametrize("family", EVERY_VARIANT, ids=lambda family: family.key)
def test_words_guidance_and_parts_fit_together(family) -> None:
    assert family.tasks
    assert family.denoiser in family.parts
    assert family.text.tokenizer in family.parts or not family.text.tokens, "words need a tokenizer"
    needed = set(family.parts) - family.optional_parts
    assert needed <= set(family.tiny.parts) | family.optional_parts
    if family.guidance.kind is not GuidanceKind.CLASSIFIER_FREE:
        assert family.text.negative is Negative.NONE, "nothing would read the negative prompt"
    assert {task for task in family.pipelines if task.makes_video} == set() or family.video


def test_changes_belong_to_variants_that_can_be_told() -> None:
    for family in REGISTRY.all():
        assert set(family.changes) <= set(family.detection.variants), family.id


@pytest.mark.parametrize("key", FAMILIES)
def test_a_tiny_model_is_known_for_what_it_is(tiny_models: dict[str, ModelRecord], key: str) -> None:
    found = identify(tiny_models[key].path, REGISTRY.all())
    assert found.problem is None
    assert found.family == TINY[key].id
    assert set(TINY[key].variants) <= set(found.variants)
    if not TINY[key].variants:
        assert not set(found.variants) & set(TINY[key].changes)


def test_a_model_of_few_steps_and_one_of_another_task_change_what_they_must() -> None:
    schnell = REGISTRY.get("flux").as_variant(["schnell"])
    assert (schnell.defaults["steps"], schnell.guidance.kind) == (4, GuidanceKind.NONE)
    assert schnell.defaults["sampler"] == REGISTRY.get("flux").defaults["sampler"]
    assert REGISTRY.get("flux").as_variant(["kontext"]).tasks == (Task.EDIT,)
    assert REGISTRY.get("flux").as_variant(["unheard-of"]).pipelines == REGISTRY.get("flux").pipelines
