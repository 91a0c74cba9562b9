"""Other programs' settings become a draft: sampler names of all of them, and guidance that has another name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drafts import Draft
from app.foreign import readable, with_settings
from app.sampler_names import recognised, schedule_of
from engines.api import SAMPLER_REGISTRY, UserError, read_metadata
from engines.media import parse_infotext, write_infotext
from tests.engines.foreign_files import CORPUS, Case
from tests.engines.test_media import FACTS, RECORD, request


@pytest.mark.parametrize("case", [case for case in CORPUS if "Sampler" in case.settings], ids=lambda case: case.name)
def test_every_program_s_settings_become_a_draft(case: Case, tmp_path: Path) -> None:
    found = read_metadata(case.write(tmp_path))
    draft = with_settings(Draft(), found)
    assert draft.prompt == case.settings["Prompt"]
    assert draft.seed == int(case.settings["Seed"])
    values = draft.values
    assert (values["width"], values["height"], values["steps"]) == (512, 768, 20)
    assert values["sampler"] in ("DPM++ 2M", "Euler", "LMS")
    flow = "Distilled CFG Scale" in case.settings
    assert values["guidance"] == (3.5 if flow else 7.0)


@pytest.mark.parametrize(
    ("name", "sampler", "schedule"),
    [
        ("DPM++ 2M Karras", "DPM++ 2M", "Karras"),
        ("dpmpp_2m_k", "DPM++ 2M", "Karras"),
        ("dpmpp_2m_sde_gpu", "DPM++ 2M SDE", None),
        ("k_euler_ancestral", "Euler a", None),
        ("euler_a", "Euler a", None),
        ("DPM++ SDE Karras", "DPM++ SDE", "Karras"),
        ("DPM++ 3M SDE Exponential", "DPM++ 3M SDE", "Exponential"),
        ("uni_pc", "UniPC", None),
        ("ddim_v3", "DDIM", None),
        ("lms_k", "LMS", "Karras"),
    ],
)
def test_names_of_samplers(name: str, sampler: str, schedule: str | None) -> None:
    assert recognised(name) == (sampler, schedule)


def test_names_of_schedules() -> None:
    known = {"sgm_uniform": "SGM uniform", "SGM Uniform": "SGM uniform", "karras": "Karras", "normal": "Normal"}
    assert {name: schedule_of(name) for name in known} == known
    with pytest.raises(UserError):
        schedule_of("Align Your Steps")


def test_what_cannot_be_used_is_left_out() -> None:
    settings = {"Steps": "many", "Sampler": "Restart", "Seed": "-5", "CFG scale": "7", "Size-1": "512"}
    assert readable(settings) == {"guidance": 7.0, "width": 512}


SAMPLERS = sorted(each.key for each in SAMPLER_REGISTRY.samplers)
SCHEDULES = sorted(each.key for each in SAMPLER_REGISTRY.schedules)


@given(
    sampler=st.sampled_from(SAMPLERS),
    schedule=st.sampled_from(SCHEDULES),
    guidance=st.integers(0, 300).map(lambda tenths: tenths / 10),
    sides=st.tuples(st.integers(8, 256), st.integers(8, 256)),
    skip=st.integers(1, 4),
)
def test_our_own_infotext_is_enough_to_make_it_again(
    sampler: str, schedule: str, guidance: float, sides: tuple[int, int], skip: int
) -> None:
    """When a site kept the infotext and dropped our record, the settings are still there."""
    wish = request(
        sampler=sampler, scheduler=schedule, guidance=guidance, width=sides[0] * 8, height=sides[1] * 8, clip_skip=skip
    )
    found = readable(parse_infotext(write_infotext(wish, RECORD, FACTS)))
    expected = {
        "sampler": sampler.removesuffix(" flow"),  # a flow model's Euler is called so in its own family alone
        "scheduler": schedule,
        "guidance": guidance,
        "width": wish.width,
        "height": wish.height,
        "steps": wish.steps,
        **({"clip_skip": skip} if skip > 1 else {}),
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "clip_skip" in found or skip == 1, "what is absent is the default"
