"""A faster way to compute the steps, on its way to the engine: refusals with ways out, files, the control in the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.foreign import readable
from app.ui.controls import CONTROLS, Situation
from app.validate import validate
from app.wishes import Shape
from engines import accelerators
from engines.api import Accelerator, GenerationRequest, UserError, families, family, work_share
from engines.demand import demand_of
from engines.media.infotext import parse_infotext, write_infotext
from engines.records import ModelRecord


def usual(name: str, **fields: Any) -> GenerationRequest:
    found = family(name)
    return GenerationRequest(model="a", prompt="a cat", seed=1, **{**found.defaults, "task": found.tasks[0], **fields})


@pytest.fixture
def everything_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "openvino_possible", lambda: True)
    monkeypatch.setattr(accelerators, "compiler_there", lambda: True)


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("sd15", {"accelerator": "openvino"}, ""),
        ("sd15", {"accelerator": "compile"}, ""),
        ("sd15", {"accelerator": "openvino", "shortcuts": {"guided_to": 0.5}}, ""),
        ("sd15", {"accelerator": "openvino", "shortcuts": {"every": 3}}, "accelerator-not-with"),
        ("flux", {"accelerator": "compile", "shortcuts": {"every": 3}}, "accelerator-not-with"),
        ("lumina2", {"accelerator": "openvino"}, "accelerator-not-for-model"),
        ("sd3", {"accelerator": "compile"}, "accelerator-not-for-model"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    everything_there: None, name: str, fields: dict[str, Any], code: str
) -> None:
    if not code:
        return validate(usual(name, **fields), family(name))
    with pytest.raises(UserError) as caught:
        validate(usual(name, **fields), family(name))
    assert caught.value.code == code and caught.value.message.fixes
    return None


def test_what_is_not_installed_is_refused_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "openvino_possible", lambda: False)
    monkeypatch.setattr(accelerators.shutil, "which", lambda _name: None)
    for wish, code, way in (
        ("openvino", "accelerator-needs-extra", "pip install"),
        ("compile", "accelerator-no-compiler", "g++"),
    ):
        with pytest.raises(UserError) as caught:
            validate(usual("sd15", accelerator=wish), family("sd15"))
        assert caught.value.code == code and way in " ".join(caught.value.message.fixes)
    assert accelerators.possible_accelerators() == (Accelerator.NONE,)
    assert _shown("sd15") == (["none"], False), "a choice of one is none"


def test_the_panel_offers_what_the_family_can(everything_there: None) -> None:
    offered = {each.id: _shown(each.id)[0] for each in families()}
    assert offered["sd15"] == ["none", "openvino", "compile"]
    assert offered["lumina2"] == ["none"] and offered["sd3"] == ["none", "openvino"]


def test_it_comes_back_from_an_infotext() -> None:
    record = ModelRecord("a", "A model", "sd15", Path("a"), "diffusers-folder", 0)
    text = write_infotext(usual("sd15", accelerator="openvino"), record, {})
    assert readable(parse_infotext(text))["accelerator"] == "openvino"
    assert "Accelerator" not in write_infotext(usual("sd15"), record, {})


def test_the_expected_time_counts_it() -> None:
    plain, quick = (demand_of(usual("sd15", accelerator=each), family("sd15")) for each in ("none", "openvino"))
    assert quick.share == pytest.approx(0.7) and plain.share == work_share(usual("sd15"), family("sd15")) == 1.0


def _shown(name: str) -> tuple[list[str], bool]:
    control = next(each for each in CONTROLS if each.field == "accelerator")
    update = control.update(Situation(family(name), usual(name), Shape.OWN))
    return [value[0] if isinstance(value, tuple) else value for value in update["choices"]], update["visible"]
