"""Versions side by side: an update that is killed changes nothing, one that came to its end can be undone."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.paths import ROOT, Paths, portable_home
from app.versions import NoVersion, Versions, versions_of

FILES = 40  # of a stand-in version; the last one is written last, so a version without it is not whole


def put(versions: Versions, name: str) -> str:
    folder = versions.room(name)
    for number in range(FILES):
        (folder / f"{number}.txt").write_text(name)
    versions.use(folder.name)
    return folder.name


def is_whole(versions: Versions, name: str) -> bool:
    return all((versions.folder(name) / f"{number}.txt").is_file() for number in range(FILES))


def test_an_update_can_be_undone_and_done_again(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    put(versions, "1.0")
    put(versions, "1.1")
    assert versions.names == ("1.1", "1.0")
    assert versions.undo() == "1.0"
    assert versions.names == ("1.0", "1.1")
    assert versions.undo() == "1.1"


def test_the_same_version_again_never_touches_the_one_in_use(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    put(versions, "1.0")
    assert put(versions, "1.0") == "1.0-2"
    assert versions.undo() == "1.0"
    assert is_whole(versions, "1.0")


def test_only_the_last_two_are_kept(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    for name in ("1.0", "1.1", "1.2", "1.3"):
        put(versions, name)
    versions.room("1.4")
    assert {path.name for path in (tmp_path / "versions").iterdir()} == {"1.2", "1.3", "1.4"}


def test_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    with pytest.raises(NoVersion):
        versions.undo()
    put(versions, "1.0")
    with pytest.raises(NoVersion):
        versions.undo()
    with pytest.raises(NoVersion):
        versions.use("2.0")
    shutil.rmtree(versions.folder("1.0"))
    assert versions.names == ()


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "", ".."])
def test_a_line_that_is_no_name_is_ignored(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "current").write_text(f"{name}\n")
    assert Versions(tmp_path / "base").names == ()


UPDATE = """
import sys
from pathlib import Path
from tests.app.test_versions import put
from app.versions import Versions
print("go", flush=True)
put(Versions(Path(sys.argv[1])), sys.argv[2])
"""


def test_an_update_killed_at_any_moment_leaves_a_whole_version(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    put(versions, "0")
    chance = random.Random(8)
    finished = 0
    for number in range(1, 21):
        command = [sys.executable, "-c", UPDATE, str(tmp_path), str(number)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert process.stdout is not None and process.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0, 0.012))
        process.kill()
        process.wait()
        process.stdout.close()
        assert versions.names, f"nothing to start after kill {number}"
        assert is_whole(versions, versions.names[0])
        finished += versions.names[0] == str(number)
    assert finished < 20, "no kill came in time, so this has shown nothing"


def test_the_program_knows_its_versions_by_where_it_lies(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    put(versions, "1.0")
    found = versions_of(versions.folder("1.0"))
    assert found is not None and found.base == tmp_path
    assert versions_of(tmp_path) is None
    clone = Versions(tmp_path / ".easel")
    put(clone, "abc")
    found = versions_of(tmp_path)
    assert found is not None and found.base == tmp_path / ".easel"


def test_a_folder_beside_the_program_keeps_everything(tmp_path: Path) -> None:
    assert portable_home(tmp_path) is None
    (tmp_path / "portable").mkdir()
    assert portable_home(tmp_path) == tmp_path / "portable"
    program = tmp_path / "versions" / "1.0"
    program.mkdir(parents=True)
    assert portable_home(program) == tmp_path / "portable"
    assert Paths.below(tmp_path / "portable").ledger.is_relative_to(tmp_path)
