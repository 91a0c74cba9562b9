"""Preset files: what surprises in YAML is refused, older ones become today's, a broken one harms no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.desktop.opening import take_in
from app.paths import BUNDLED_PRESETS
from app.presets import SCHEMA_VERSION, Preset, PresetStore
from engines.api import Task, UserError


@pytest.fixture
def store(tmp_path: Path) -> PresetStore:
    return PresetStore(BUNDLED_PRESETS, tmp_path / "presets")


def write(store: PresetStore, text: str, name: str = "mine") -> Path:
    path = store.user / "text-to-image" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(store: PresetStore, text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        store.validate(write(store, text))
    return caught.value


GOOD = "schema_version: 2\ntitle: Mine\ntask: text-to-image\nvalues:\n  steps: 12\n"


def test_a_preset_is_found_by_its_id_and_by_its_name(store: PresetStore) -> None:
    assert store.get("text-to-image/draft") == store.get("draft")
    assert store.get("gentle").task is Task.IMAGE_TO_IMAGE


def test_saving_keeps_every_value_and_a_copy_of_the_older_file(store: PresetStore) -> None:
    values = {"steps": 12, "guidance": 5.5, "sampler": "Euler a", "negative_prompt": "no: 1:30"}
    preset = Preset(id="text-to-image/mine", title="Mine", values=values)
    path = store.save(preset)
    assert store.get("mine").values == values
    store.save(Preset(id="text-to-image/mine", title="Other"))
    assert "Mine" in path.with_suffix(".yaml.bak").read_text()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("schema_version: 2\ntitle: A\nvalues: {stps: 3}\n", "steps"),
        ("schema_version: 2\ntitle: A\nvalues: {steps: many}\n", "steps"),
        ("schema_version: 2\ntitle: A\nvalues: {seed: 3}\n", "seed"),
        ("schema_version: 2\ntitle: A\nextra: 1\n", "extra"),
        ("schema_version: 2\ntitle: A\ntitle: B\n", "twice"),
        ("schema_version: 2\ntitle: &a A\ndescription: *a\n", "anchors"),
        ("schema_version: 2\ntitle: !!python/object/apply:os.system [ls]\n", "tags"),
        ("title: A\n", "schema_version"),
        ("- 1\n- 2\n", "keys"),
        ("a: [\n", "line"),
        ("\x00", "preset"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(store: PresetStore, text: str, word: str) -> None:
    error = refusal(store, text)
    assert error.code == "preset-broken"
    assert word in str(error)


def test_a_newer_file_is_refused_by_number_and_left_alone(store: PresetStore) -> None:
    error = refusal(store, "schema_version: 99\ntitle: A\n")
    assert (error.code, error.params["found"], error.params["known"]) == ("preset-newer", 99, SCHEMA_VERSION)


def test_strings_stay_strings(store: PresetStore) -> None:
    text = "schema_version: 2\ntitle: no\ndescription: 2024-01-01\nvalues: {prompt: 1:30, negative_prompt: yes}\n"
    preset = store.validate(write(store, text))
    assert (preset.title, preset.description) == ("no", "2024-01-01")
    assert preset.values == {"prompt": "1:30", "negative_prompt": "yes"}


def test_an_older_file_becomes_todays_and_is_kept(store: PresetStore) -> None:
    old = "schema_version: 1\ntitle: Old\ntask: text-to-image\ncfg: 5.5\nsampler: DPM++ 2M Karras\nsteps: 12\n"
    path = write(store, old)
    expected = {"guidance": 5.5, "sampler": "DPM++ 2M", "scheduler": "Karras", "steps": 12}
    assert store.validate(path).values == expected
    assert path.read_text() == old
    assert store.migrate(path) is True
    assert path.with_suffix(".yaml.bak").read_text() == old
    assert path.read_text().startswith("schema_version: 2\n")
    assert store.validate(path).values == expected
    assert store.migrate(path) is False


def test_a_broken_file_harms_no_other(store: PresetStore) -> None:
    write(store, GOOD, "good")
    broken = write(store, "schema_version: 2\n", "broken")
    assert "text-to-image/good" in [preset.id for preset in store.all()]
    assert [problem.path for problem in store.problems()] == [broken]
    with pytest.raises(UserError, match="title"):
        store.get("broken")


def test_ones_own_preset_stands_in_for_a_bundled_one(store: PresetStore) -> None:
    write(store, GOOD, "draft")
    assert store.get("draft").title == "Mine"
    assert not store.get("draft").bundled


@pytest.mark.parametrize("name", ["../../etc/passwd", "text-to-image/..", "x", "a/b/c"])
def test_a_preset_stays_in_its_folder(store: PresetStore, name: str) -> None:
    with pytest.raises(UserError) as caught:
        store.save(Preset(id=name, title="A"))
    assert caught.value.code == "preset-name"


def test_a_double_click_on_a_preset_makes_it_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_HOME", str(tmp_path / "home"))
    file = tmp_path / "frosty morning.easel"
    file.write_text("schema_version: 2\ntitle: Frosty\ntask: text-to-image\nvalues: {steps: 9}\n", encoding="utf-8")
    assert take_in(file) == "Frosty"
    mine = PresetStore(BUNDLED_PRESETS, tmp_path / "home" / "data" / "presets").get("frosty")
    assert mine.values["steps"] == 9 and not mine.bundled
    file.write_bytes(b"\0" * 100_000)
    with pytest.raises(UserError) as refused:
        take_in(file)
    assert refused.value.code == "preset-broken"
