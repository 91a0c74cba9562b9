"""The catalogue is whole and honest, and what fits is worked out from numbers."""

from __future__ import annotations

import re

import pytest
import yaml

from app.catalogue import CATALOGUE, Catalogue, catalogue
from app.fitting import Facts, Fit, facts, first_choices, fit, seconds
from engines.api import families

FAMILIES = (
    *(
        "sd15",
        "sd2",
        "sdxl",
        "sd3",
        "flux",
        "flux2",
        "chroma",
        "qwen-image",
        "z-image",
        "lumina2",
        "sana",
        "wan",
        "ltx",
    ),
    *("ltx2", "hunyuan-video", "hunyuan-video15", "cogvideox", "svd", "animatediff"),
)
LAPTOP = Facts("", 0, 16_000_000_000, 100_000_000_000, 4)
GAMER = Facts("card", 12 * 2**30, 32_000_000_000, 500_000_000_000, 8)
STATION = Facts("card", 24 * 2**30, 64_000_000_000, 2_000_000_000_000, 16)


def test_every_family_has_an_entry() -> None:
    assert {entry.family for entry in catalogue().models} >= set(FAMILIES) | {each.id for each in families()}


def test_every_entry_says_where_it_is_from_and_that_its_licence_was_not_checked() -> None:
    for entry in catalogue().models:
        assert "licence" in entry.unchecked, entry.id
        assert {"width", "height", "steps"} <= set(entry.defaults), entry.id
        assert entry.makes == "image" or {"frames", "fps"} <= set(entry.defaults), entry.id
        facts = {fact.name: fact for fact in catalogue().facts(entry)}
        assert set(facts) == {"repository", "files", "sizes", "memory", "settings", "licence"}
        assert all(len(fact.source) > 10 for fact in facts.values()) and entry.source in facts["settings"].source
        assert {name for name, fact in facts.items() if not fact.checked} == set(entry.unchecked)
        assert entry.summary.endswith(".") and len(entry.summary) < 120, entry.id


def test_sizes_are_what_the_parameters_give() -> None:
    entry = catalogue().find("flux1-schnell")
    assert entry is not None
    assert entry.download_bytes == pytest.approx(33.6e9, rel=0.01)
    assert entry.memory_bytes == pytest.approx(25.3e9, rel=0.01)


@pytest.mark.parametrize("spoil", ["colour: red", "tokens: 0", "quality: high", "repository: ../x"])
def test_a_wrong_entry_is_refused(spoil: str) -> None:
    data = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    data["models"][0].update(yaml.safe_load(spoil))
    with pytest.raises(ValueError, match=re.escape(spoil.split(":")[0])):
        Catalogue.model_validate(data)


def test_the_same_id_twice_is_refused() -> None:
    data = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    data["models"].append(data["models"][0])
    with pytest.raises(ValueError, match="twice in the catalogue"):
        Catalogue.model_validate(data)


def test_larger_computers_fit_more_and_are_quicker() -> None:
    order = [Fit.TOO_BIG, Fit.SLOW, Fit.FITS]
    for entry in catalogue().models:
        found = [order.index(fit(entry, here)) for here in (GAMER, STATION)]
        assert found == sorted(found), entry.id
        assert seconds(entry, GAMER) >= seconds(entry, STATION), entry.id


def test_a_full_disk_makes_everything_too_big() -> None:
    full = Facts("card", 24 * 2**30, 64_000_000_000, 1_000_000, 16)
    assert {fit(entry, full) for entry in catalogue().models} == {Fit.TOO_BIG}


def test_the_cards_of_the_first_start_are_usable_where_anything_is() -> None:
    for here in (LAPTOP, GAMER, STATION):
        chosen = first_choices(here)
        assert chosen["small"].makes == "image"
        assert fit(chosen["small"], here) is not Fit.TOO_BIG
        assert len({entry.id for entry in chosen.values()}) == len(chosen)


def test_nobody_without_a_card_is_sent_to_an_hour_a_picture() -> None:
    here = Facts("", 0, 25 * 2**30, 10**12, 2)
    assert seconds(first_choices(here)["best"], here) < 180


def test_the_facts_of_this_computer_come_quickly(tmp_path) -> None:
    import time

    begun = time.process_time()
    found = facts(tmp_path / "not" / "there")
    assert time.process_time() - begun < 2
    assert found.main > 10**8 and found.disk > 0 and found.cores >= 1
