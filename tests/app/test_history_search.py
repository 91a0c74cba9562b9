"""Searching, boards, export, other programs' folders; and 50,000 pictures."""

from __future__ import annotations

import json
import sqlite3
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from app.boards import BoardStore
from app.history import HistoryStore, Picture, Query, picture_id
from app.history.index import SCHEMA_VERSION
from app.history_export import export
from app.jobs import Job, Queued
from engines.api import Artifact, UserError
from tests.app.test_command_line import Easel, easel  # noqa: F401 (a fixture)
from tests.app.test_ledger import REQUEST
from tests.engines.foreign_files import CORPUS

MANY = 50_000
FIRST_PAGE = 0.3  # seconds
DAY = 86_400.0


def store(folder: Path) -> HistoryStore:
    (folder / "outputs").mkdir(exist_ok=True)
    return HistoryStore(folder / "history.sqlite3", folder / "favourites.json", folder / "outputs")


def made(history: HistoryStore, name: str, **fields: object) -> Picture:
    path = history.outputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)
    values = {
        "task": "text-to-image",
        "model": "m",
        "prompt": "a cat",
        "negative_prompt": "",
        "seed": 1,
        "created": 1e9,
    }
    picture = Picture(
        id=picture_id(path, history.outputs),
        path=path,
        width=8,
        height=8,
        media_type="image/png",
        **{**values, **fields},  # pyright: ignore
    )
    history.put([picture])
    return picture


def test_seed_lora_and_days(tmp_path: Path) -> None:
    history = store(tmp_path)
    one = made(history, "1.png", seed=11, prompt="a cat <lora:Blue Ink:0.8>", created=1e9)
    two = made(history, "2.png", seed=12, prompt="a dog <lora:blue:1><lora:ink:1>", created=1e9 + 3 * DAY)

    def found(**asked: object) -> list[str]:
        return [each.id for each in history.search(Query(**asked))]  # pyright: ignore

    assert found(seed=11) == [one.id]
    assert found(lora="blue ink") == [one.id]
    assert found(lora="ink") == [two.id]
    assert history.loras() == ("blue", "blue ink", "ink")
    day = time.strftime("%Y-%m-%d", time.localtime(1e9 + DAY))
    assert found(since=day) == [two.id]
    assert found(until=day) == [one.id]
    history.close()


def test_boards(tmp_path: Path) -> None:
    history = store(tmp_path)
    one, two = made(history, "1.png"), made(history, "2.png", created=2e9)
    assert history.put_on_board(" Best  ones ", [one.id, two.id]) == 2
    assert history.put_on_board("Best ones", [one.id]) == 0
    history.close()
    again = store(tmp_path)  # a board outlives the index
    assert again.boards.all() == {"Best ones": 2}
    assert [each.id for each in again.search(Query(board="Best ones"))] == [two.id, one.id]
    again.take_off_board("Best ones", [two.id])
    assert [each.id for each in again.search(Query(board="Best ones", text="cat"))] == [one.id]
    with pytest.raises(UserError, match="no board"):
        again.search(Query(board="x"))
    with pytest.raises(UserError):
        again.put_on_board("x", ["nothing"])
    again.boards.delete("Best ones")
    assert again.boards.all() == {}
    again.close()


def test_broken_boards_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "boards.json").write_text("[", "utf-8")
    boards = BoardStore(tmp_path / "boards.json")
    assert boards.all() == {}
    assert (tmp_path / "boards.json.broken").exists()
    for name in ("", "  ", "x" * 81):
        with pytest.raises(UserError):
            boards.add(name, [])


def test_export_as_a_zip_with_a_page(tmp_path: Path) -> None:
    history = store(tmp_path)
    pictures = [made(history, "a/x.png", prompt="<b>cat</b>"), made(history, "b/x.png"), made(history, "c/y.png")]
    pictures[2].path.unlink()
    assert export(pictures, tmp_path / "out" / "x.zip") == 2
    with zipfile.ZipFile(tmp_path / "out" / "x.zip") as archive:
        assert sorted(archive.namelist()) == ["index.html", "pictures/x-2.png", "pictures/x.png"]
        page = archive.read("index.html").decode()
    assert "&lt;b&gt;cat" in page and "pictures/x-2.png" in page
    with pytest.raises(UserError):
        export(pictures[2:], tmp_path / "none.zip")
    history.close()


def test_an_older_index_is_brought_up_to_date(tmp_path: Path) -> None:
    history = store(tmp_path)
    made(history, "1.png", prompt="a cat <lora:x:1>")
    history.close()
    with sqlite3.connect(tmp_path / "history.sqlite3") as db:
        db.execute("ALTER TABLE pictures DROP COLUMN loras")
        db.execute("PRAGMA user_version = 1")
    again = store(tmp_path)
    assert [each.prompt for each in again.search(Query(lora="x"))] == ["a cat <lora:x:1>"]
    assert not again.missing
    again.close()


def test_other_programs_folders_are_listed_in_place(tmp_path: Path) -> None:
    history = store(tmp_path)
    theirs = tmp_path / "webui" / "outputs"
    theirs.mkdir(parents=True)
    files = {case.write(theirs).name: case for case in CORPUS}
    before = {path: path.stat().st_mtime_ns for path in theirs.iterdir()}
    assert history.read_folder(theirs) == len(files)
    found = {each.path.name: each for each in history.search(Query(limit=100))}
    assert set(found) == set(files)
    assert (found["a1111.png"].prompt, found["a1111.png"].seed, found["a1111.png"].model) == ("a cat", 5, "x")
    assert found["comfy.png"].prompt.startswith("a cat")
    history.folders = (theirs,)
    assert history.rebuild() == len(files)
    assert {path: path.stat().st_mtime_ns for path in theirs.iterdir()} == before
    assert history.leave_folder(theirs) == len(files)
    assert history.search(Query()) == ()
    with pytest.raises(UserError):
        history.read_folder(tmp_path / "nowhere")
    history.close()


def test_leaving_a_folder_leaves_what_easel_made_and_what_lies_in_another_folder(tmp_path: Path) -> None:
    history = store(tmp_path)
    inside, other, placed = history.outputs, tmp_path / "webui", tmp_path / "elsewhere"
    for folder in (inside, other, placed):
        folder.mkdir(parents=True, exist_ok=True)
        CORPUS[0].write(folder)
    elsewhere = next(placed.iterdir())
    history.add(Job("0123456789ab", REQUEST, 1e9, Queued()), Artifact(0, elsewhere, "image/png", 7, 64, 64))
    CORPUS[1].write(tmp_path)
    history.folders = (other, tmp_path)
    assert history.rebuild() == 4
    assert history.leave_folder(tmp_path) == 1
    assert {each.path.parent for each in history.search(Query())} == {inside, other, placed}
    history.close()


def test_fifty_thousand_pictures_stay_quick(tmp_path: Path) -> None:
    history = store(tmp_path)
    words = ("red", "blue", "apple", "cat", "fox", "house", "star", "rocket")
    rows = [
        Picture(
            f"{number:016x}",
            history.outputs / f"{number}.png",
            1e9 + number * 300,
            "text-to-image",
            f"model-{number % 12}",
            " ".join(words[(number * step) % 8] for step in range(1, 25)),
            "ugly",
            number,
            512,
            512,
            "image/png",
        )
        for number in range(MANY)
    ]
    history.put(rows)
    assert sum(number for _day, number in history.days()) == MANY
    for query in (
        Query(),
        Query(model="model-3"),
        Query(text="apple rocket"),
        Query(seed=777),
        Query(since="2001-10-01"),
    ):
        begun = time.process_time()  # not the clock on the wall: others work here too
        assert history.search(query)
        assert time.process_time() - begun < FIRST_PAGE, query
    history.close()


def test_the_command_line(easel: Easel, tmp_path: Path) -> None:  # noqa: F811
    def ask(*words: str) -> dict:
        done = easel("history", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    for case in CORPUS[:4]:
        case.write(tmp_path)
    assert ask("import", str(tmp_path))["pictures"] == 4
    listed = ask("list", "cat", "--seed", "5")["pictures"]
    assert len(listed) >= 4
    ours = [each for each in listed if each["path"].startswith(str(tmp_path))]
    assert easel("history", "board", "Cats", ours[0]["id"], ours[1]["path"]).returncode == 0
    assert ask("boards")["boards"] == {"Cats": 2}
    assert len(ask("list", "--board", "Cats")["pictures"]) == 2
    assert easel("history", "star", ours[0]["id"]).returncode == 0
    assert [each["id"] for each in ask("list", "--favourites")["pictures"]] == [ours[0]["id"]]
    out = tmp_path / "cats.zip"
    assert ask("export", "--board", "Cats", "--out", str(out))["pictures"] == 2
    assert zipfile.is_zipfile(out)
    assert ask("rebuild")["pictures"] >= 4
    assert easel("history", "leave", str(tmp_path)).returncode == 0
    assert not [each for each in ask("list")["pictures"] if each["path"].startswith(str(tmp_path))]
    assert SCHEMA_VERSION == 2
