"""What older versions left behind opens for ever: settings, presets, drafts, jobs, history and pictures of each release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app import settings as settings_module
from app.desktop.place import load_place
from app.drafts import DraftStore
from app.history import HistoryStore, Query
from app.jobs import Succeeded
from app.ledger import JobLedger
from app.paths import BUNDLED_PRESETS, ROOT, Paths
from app.presets import PresetStore
from app.settings import SCHEMA_VERSION, Settings, SettingsStore
from engines.api import read_metadata
from tests.app.corpus import DATABASES, restore

RELEASES = sorted(path for path in (ROOT / "tests" / "corpus").iterdir() if path.is_dir())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def left_behind(request: pytest.FixtureRequest, tmp_path: Path) -> Paths:
    """The home of somebody who used that version, in another place."""
    home = tmp_path / "moved home"
    shutil.copytree(request.param / "home", home)
    paths = Paths.below(home)
    for name in DATABASES:
        restore(request.param / f"{name}.sql", getattr(paths, name), home)
    return paths


def test_settings_and_the_windows_place(left_behind: Paths) -> None:
    settings = SettingsStore(left_behind.settings_file).load()
    assert (settings.theme, settings.preset, settings.model_folders) == ("dark", "draft", [Path("/models")])
    assert load_place(left_behind.window_file).width == 1300


def test_presets_of_ones_own(left_behind: Paths) -> None:
    store = PresetStore(BUNDLED_PRESETS, left_behind.presets)
    assert store.problems() == ()
    mine, older = store.get("mine"), store.get("older")
    assert mine.title == "Mine ä" and mine.values == {"steps": 9, "sampler": "Euler"}
    assert older.values == {"steps": 12, "guidance": 5.5, "sampler": "DPM++ 2M", "scheduler": "Karras"}


def test_a_half_typed_wish(left_behind: Paths) -> None:
    draft = DraftStore(left_behind.drafts).get("image")
    assert draft.prompt == "a half-typed wish" and draft.count == 2


def test_jobs_and_their_files(left_behind: Paths) -> None:
    ledger = JobLedger(left_behind.ledger)
    try:
        jobs = ledger.latest(10)
        assert {job.request.seed for job in jobs} == {3, 7}
        assert all(isinstance(job.state, Succeeded) and job.files[0].is_file() for job in jobs)
    finally:
        ledger.close()


@pytest.mark.parametrize("lost", [False, True], ids=["index there", "index lost"])
def test_the_history(left_behind: Paths, lost: bool) -> None:
    if lost:
        left_behind.history.unlink()
    history = HistoryStore(left_behind.history, left_behind.favourites, left_behind.outputs)
    try:
        if lost or history.missing:
            assert history.rebuild() == 2
        pictures = history.search(Query())
        assert {picture.seed for picture in pictures} == {3, 7}
        assert [picture.seed for picture in pictures if picture.favourite] == [7]
    finally:
        history.close()


def test_pictures_say_how_they_were_made(left_behind: Paths) -> None:
    found = {read_metadata(path).request for path in left_behind.outputs.rglob("*.png")}
    assert {request.seed for request in found if request} == {3, 7}
    assert any(request and request.prompt == 'a "fox", in snow: quietly\nsecond line' for request in found)


def test_a_rollback_finds_the_settings_of_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.json"
    SettingsStore(file).change(theme="dark")
    before = file.read_bytes()
    # The next version of Easel comes, migrates and saves.
    monkeypatch.setattr(settings_module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(settings_module, "MIGRATIONS", {SCHEMA_VERSION: lambda data: {**data, "theme": "light"}})
    newer = SettingsStore(file)
    newer.save(newer.load().model_copy(update={"schema_version": SCHEMA_VERSION + 1}))
    assert json.loads(file.read_text())["theme"] == "light"
    monkeypatch.undo()
    # Rolled back: the older one uses what it had, and the newer one's file is kept.
    assert SettingsStore(file).load().theme == "dark"
    assert (tmp_path / f"settings.version-{SCHEMA_VERSION}.json").read_bytes() == before
    assert (tmp_path / f"settings.version-{SCHEMA_VERSION + 1}.json").is_file()
    assert Settings().theme == "system"
