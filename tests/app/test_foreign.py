"""Other programs' settings become a draft: sampler names of all of them, and guidance that has another name."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.drafts import Draft
from app.foreign import readable, with_settings
from app.sampler_names import recognised, schedule_of
from engines.api import UserError, read_metadata
from tests.engines.foreign_files import CORPUS, Case


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
