"""Models on a stick and back: every byte checked, nothing half taken in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.exchange import FOLDER, MANIFEST, export_models, import_models
from app.models import ModelStore
from engines.api import ModelRecord, UserError
from tests.app.download.conftest import weights


@pytest.fixture
def records(tmp_path: Path) -> list[ModelRecord]:
    """A model that is a folder (a copy of the starter) and one that is a file."""
    from app.paths import STARTER

    home = tmp_path / "home"
    shutil.copytree(STARTER / "image", home / "little")
    single = home / "single.safetensors"
    single.write_bytes(weights(5000))
    (home / "single.easel.json").write_text('{"licence": "free"}')
    folder = ModelStore((home,)).all()[0]
    return [folder, ModelRecord("single", "Single", folder.family, single, "single", 5000)]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_out_and_in_again_gives_the_same_bytes(records: list[ModelRecord], tmp_path: Path) -> None:
    stick, other = tmp_path / "stick", tmp_path / "other"
    stick.mkdir()
    manifest = export_models(records, stick)
    assert [model.title for model in manifest.models] == [records[0].title, "Single"]
    places = import_models(stick, other)
    assert tree(places[0]) == tree(records[0].path)
    assert (other / "single.safetensors").read_bytes() == records[1].path.read_bytes()
    assert (other / "single.easel.json").read_text() == '{"licence": "free"}'
    assert ModelStore((other,)).get(records[0].id).family == records[0].family


def test_a_second_export_copies_only_what_is_missing(records: list[ModelRecord], tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    first = export_models(records[:1], stick)
    name = first.models[0].name
    times = {path: path.stat().st_mtime_ns for path in (stick / FOLDER / name).rglob("*.safetensors")}
    broken = next(iter(times))
    broken.write_bytes(broken.read_bytes()[:-1] + b"?")
    export_models(records, stick)
    assert [path for path, time in times.items() if path.stat().st_mtime_ns != time] == [broken]
    assert len(import_models(stick, tmp_path / "other")) == 2


@pytest.mark.parametrize(
    ("spoil", "code"),
    [("flip", "import-damaged"), ("missing", "import-incomplete"), ("manifest", "import-manifest-broken")],
)
def test_a_spoiled_stick_takes_nothing_in(records: list[ModelRecord], tmp_path: Path, spoil: str, code: str) -> None:
    stick, other = tmp_path / "stick", tmp_path / "other"
    stick.mkdir()
    export_models(records[:1], stick)
    file = next((stick / FOLDER).rglob("*.safetensors"))
    match spoil:
        case "flip":
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(data)
        case "missing":
            file.unlink()
        case _:
            (stick / FOLDER / MANIFEST).write_text("{")
    with pytest.raises(UserError) as found:
        import_models(stick, other)
    assert found.value.code == code
    assert tree(other) == {} if other.exists() else True


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b"])
def test_a_hostile_manifest_leads_nowhere(records: list[ModelRecord], tmp_path: Path, path: str) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    export_models(records[:1], stick)
    manifest = stick / FOLDER / MANIFEST
    data = json.loads(manifest.read_text())
    data["models"][0]["files"][0]["path"] = path
    manifest.write_text(json.dumps(data))
    with pytest.raises(UserError) as found:
        import_models(stick, tmp_path / "other")
    assert found.value.code == "import-manifest-broken"


def test_a_models_folder_and_a_model_file_are_taken_as_they_are(records: list[ModelRecord], tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert tree(import_models(records[0].path, other)[0]) == tree(records[0].path)
    assert import_models(records[1].path, other)[0].read_bytes() == records[1].path.read_bytes()
    with pytest.raises(UserError) as found:
        import_models(tmp_path, other)
    assert found.value.code == "import-nothing"
