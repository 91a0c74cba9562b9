"""The project's rules, as tests: imports, names, messages, docs, launchers, files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.paths import BUNDLED_PRESETS
from app.presets import PresetStore
from engines.api import families

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "diffusers", "transformers", "numpy", "scipy")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("module", ["app", "app.__main__", "app.cli", "app.bootstrap", "app.selftest", "engines.api"])
def test_importing_the_product_brings_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_needs_next_to_nothing() -> None:
    names = ("pydantic", "torch", "PIL")
    code = f"import sys, app.__main__ as m; m.main(['--help']); print([n for n in {names} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]")


def test_no_family_is_named_outside_its_rooms() -> None:
    # A family's id may stand in a flag of another program, which is that program's word: --medvram-sdxl.
    words = "|".join(rf"\b(?<!vram-){re.escape(each.id)}\b" for each in families())
    rooms = ("engines/families/", "engines/registry.py", "presets/", "resources/", "tests/")
    named = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked("*.py")
        if not str(path.relative_to(ROOT)).startswith(rooms)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(words, line)
    ]
    assert named == []


def catalogue() -> dict[str, dict]:
    entries: dict[str, dict] = {}
    for path in sorted((ROOT / "resources/messages/en").glob("*.json")):
        for code, entry in json.loads(path.read_text(encoding="utf-8")).items():
            assert code not in entries, f"{code} stands twice"
            entries[code] = entry
    return entries


def raised_codes() -> set[str]:
    pattern = re.compile(r"(?:User|Resource|Network|Internal)Error\(\s*\"([a-z0-9-]+)\"")
    return {code for path in tracked("app/*.py", "engines/*.py") for code in pattern.findall(path.read_text("utf-8"))}


def test_every_error_has_words_and_a_way_out() -> None:
    entries = catalogue()
    assert raised_codes() - set(entries) == set()
    for code, entry in entries.items():
        assert set(entry) == {"title", "cause", "fixes"}, code
        assert entry["title"] and entry["cause"] and entry["fixes"], code


def test_bundled_presets_are_valid() -> None:
    store = PresetStore(BUNDLED_PRESETS, ROOT / "no-such-folder")
    assert store.problems() == ()
    assert len(store.all()) >= 8
    assert len({preset.task for preset in store.all()}) >= 4


def test_the_made_pages_are_in_step_with_the_code() -> None:
    done = subprocess.run([sys.executable, "tools/make_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_launcher_has_a_twin_and_can_be_run() -> None:
    for path in (ROOT / "tools").iterdir():
        if path.is_file() and not path.suffix:
            assert os.access(path, os.X_OK), path.name
            assert path.with_suffix(".bat").is_file(), path.name
            assert len(path.read_text().splitlines()) <= 20, path.name


def test_no_file_is_large_and_none_names_a_build_machine() -> None:
    for path in tracked():
        assert path.stat().st_size < 15_000_000, path
        if path.suffix in (".py", ".md", ".toml", ".yaml", ".json", ".yml", ""):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert str(ROOT) + "/" not in text or len(str(ROOT)) < 4, path


def placeholders(value: object) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", json.dumps(value)))


def test_other_languages_say_the_same_with_the_same_numbers() -> None:
    """No text is missing, and each has the English one's numbers alone."""
    english = {path.name: json.loads(path.read_text("utf-8")) for path in (ROOT / "resources/messages/en").iterdir()}
    pairs = [(json.loads((ROOT / "resources/texts/en.json").read_text("utf-8")), path) for path in other_texts()]
    pairs += [(english[path.name], path) for path in sorted((ROOT / "resources/messages").glob("[!e]*/*.json"))]
    assert len(pairs) >= 2
    for original, path in pairs:
        spoken = json.loads(path.read_text("utf-8"))
        assert set(spoken) == set(original), f"{path}: {sorted(set(spoken) ^ set(original))}"
        for key, value in spoken.items():
            assert placeholders(value) == placeholders(original[key]), f"{path}: {key}"


def test_every_error_speaks_every_language() -> None:
    """Who chose a language meets an error in it, with as many ways out as in English."""
    folders = [path for path in sorted((ROOT / "resources/messages").iterdir()) if path.name != "en"]
    assert folders
    for folder in folders:
        for path in sorted((ROOT / "resources/messages/en").iterdir()):
            original = json.loads(path.read_text("utf-8"))
            there = folder / path.name
            spoken = json.loads(there.read_text("utf-8")) if there.is_file() else {}
            assert {code: len(entry["fixes"]) for code, entry in spoken.items()} == {
                code: len(entry["fixes"]) for code, entry in original.items()
            }, there
            assert all(entry["title"] and entry["cause"] for entry in spoken.values()), there


def other_texts() -> list[Path]:
    return [path for path in sorted((ROOT / "resources/texts").glob("*.json")) if path.stem != "en"]


def test_no_text_is_written_twice() -> None:
    import json

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
        return dict(pairs)

    for path in sorted((ROOT / "resources").rglob("*.json")):
        if path.parent.name in ("texts", "en", "de"):
            json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
