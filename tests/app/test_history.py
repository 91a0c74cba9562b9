"""The history: the files are the truth, the index can be lost at any time, stars cannot."""

from __future__ import annotations

import json
import mimetypes
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.history import HistoryStore, Picture, Query, picture_id
from app.history import store as history_module
from app.jobs import Job, Queued
from engines.api import Artifact, Cancelled, UserError
from engines.media import save_picture
from engines.media.video_write import VideoWriter
from engines.records import ModelRecord
from engines.types import VideoFormat
from tests.app.test_ledger import REQUEST

RECORD = ModelRecord("starter", "Starter", "sd15", Path("/somewhere/starter"), "diffusers-folder", 0)
FACTS = {"easel": "0.1.0"}
NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC: the same day in nearly every zone
DAY = 24 * 3600


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


def opened(outputs: Path) -> HistoryStore:
    data = outputs.parent
    return HistoryStore(data / "history.sqlite3", data / "favourites.json", outputs)


def made(outputs: Path, name: str = "a.png", created: float = NOON, **fields: Any) -> Path:
    """A picture as the engine saves it, with the file's time set."""
    path = outputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    request = REQUEST.with_(**{"seed": 7, "count": 1, **fields})
    save_picture(Image.new("RGB", (64, 48), "red"), path, request, RECORD, FACTS)
    os.utime(path, (created, created))
    return path


def rebuilt(outputs: Path) -> HistoryStore:
    store = opened(outputs)
    store.rebuild()
    return store


def names(store: HistoryStore, **query: Any) -> list[str]:
    return [picture.path.name for picture in store.search(Query(**query))]


def published(path: Path, index: int = 0, seed: int = 7) -> Artifact:
    return Artifact(index, path, "image/png", seed, 64, 48)


def job(**fields: Any) -> Job:
    return Job("0123456789ab", REQUEST.with_(**fields), NOON, Queued())


def only(store: HistoryStore) -> Picture:
    (picture,) = store.search(Query())
    return picture


def test_an_added_picture_is_found_and_tells_its_own_seed(outputs: Path) -> None:
    store = opened(outputs)
    path = made(outputs, "2023-11-15/a.png")
    picture = store.add(job(seed=5, count=3), published(path, index=2))
    assert store.get(picture.id) == picture == only(store)
    assert (picture.job, picture.seed, picture.width, picture.height) == ("0123456789ab", 7, 64, 48)
    assert picture.request == REQUEST.with_(seed=7, count=1)


def test_the_id_is_of_the_place_within_the_folder(outputs: Path, tmp_path: Path) -> None:
    inside, outside = outputs / "day" / "a.png", tmp_path / "elsewhere" / "day" / "a.png"
    assert len(picture_id(inside, outputs)) == 16
    assert picture_id(inside, outputs) == picture_id(tmp_path / "moved" / "day" / "a.png", tmp_path / "moved")
    assert picture_id(inside, outputs) != picture_id(outside, outputs)


def test_an_unknown_id_is_an_error_with_words(outputs: Path) -> None:
    store = opened(outputs)
    for ask in (store.get, store.trash, lambda each: store.set_favourite(each, True)):
        with pytest.raises(UserError) as caught:
            ask("0" * 16)
        assert (caught.value.code, caught.value.params) == ("picture-unknown", {"id": "0" * 16})
        assert caught.value.message.fixes


def test_a_rebuilt_picture_is_the_added_one_without_its_job(outputs: Path) -> None:
    store = opened(outputs)
    path = made(outputs)
    added = store.add(job(), published(path))
    store.close()
    (outputs.parent / "history.sqlite3").unlink()
    found = only(rebuilt(outputs))
    assert (found.id, found.request, found.prompt, found.model) == (
        added.id,
        added.request,
        added.prompt,
        added.model,
    )
    assert (found.created, found.job, found.media_type) == (NOON, "", "image/png")


def test_stars_survive_a_lost_index(outputs: Path) -> None:
    made(outputs, "plain.png", prompt="plain")
    made(outputs, "loved.png", prompt="loved")
    store = rebuilt(outputs)
    loved = next(each for each in store.search(Query()) if each.prompt == "loved")
    assert store.set_favourite(loved.id, True).favourite
    store.close()
    for file in outputs.parent.glob("history.sqlite3*"):
        file.unlink()
    again = opened(outputs)
    assert again.missing
    assert again.rebuild() == 2
    assert not again.missing
    assert names(again, favourites=True) == ["loved.png"]


def test_the_file_of_stars_is_plain_and_holds_relative_names(outputs: Path) -> None:
    made(outputs, "day/ä.png")
    store = rebuilt(outputs)
    star = only(store).id
    store.set_favourite(star, True)
    file = outputs.parent / "favourites.json"
    assert json.loads(file.read_text("utf-8")) == {"schema_version": 1, "favourites": ["day/ä.png"]}
    assert not store.set_favourite(star, False).favourite
    assert json.loads(file.read_text("utf-8"))["favourites"] == []
    assert not store.get(star).favourite


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"favourites": 3}', b"\xff\xfe\x00"])
def test_a_broken_file_of_stars_is_kept_aside(outputs: Path, damage: bytes) -> None:
    file = outputs.parent / "favourites.json"
    file.write_bytes(damage)
    made(outputs)
    store = rebuilt(outputs)
    assert file.with_name("favourites.json.broken-1").read_bytes() == damage
    assert names(store, favourites=True) == []
    assert store.set_favourite(only(store).id, True).favourite


def test_words_are_found_in_any_order_field_and_case(outputs: Path) -> None:
    made(outputs, "a.png", prompt="Ein ROTER Äpfel-Baum", negative_prompt="Nebel", model="starter")
    made(outputs, "b.png", prompt="STRASSE in Łódź", model="other")
    store = rebuilt(outputs)
    for text in ("äPFEL", "ÄPFEL roter", "nebel baum", "  starter   ein  "):
        assert names(store, text=text) == ["a.png"], text
    for text in ("łódź", "ŁÓDŹ straße"):
        assert names(store, text=text) == ["b.png"], text
    assert names(store, text="äpfel łódź") == []
    assert names(store, text="100%") == names(store, text="_") == []


def test_task_model_and_day_narrow_the_search(outputs: Path) -> None:
    made(outputs, "a.png", model="one")
    made(outputs, "b.png", model="two", created=NOON - DAY)
    made(outputs, "c.png", model="two", task="image-to-image", init_image="sha256:0")
    store = rebuilt(outputs)
    today, yesterday = (time.strftime("%Y-%m-%d", time.localtime(each)) for each in (NOON, NOON - DAY))
    assert sorted(names(store, model="two")) == ["b.png", "c.png"]
    assert names(store, task="image-to-image") == ["c.png"]
    assert names(store, day=yesterday) == ["b.png"]
    assert names(store, day=today, model="two") == ["c.png"]
    assert store.days() == ((today, 2), (yesterday, 1))
    assert store.models() == ("one", "two")


def test_pages_come_newest_first_and_miss_nothing(outputs: Path) -> None:
    for number in range(7):
        made(outputs, f"{number}.png", created=NOON + number)
    store = rebuilt(outputs)
    seen, before = [], None
    while page := store.search(Query(limit=3, before=before)):
        seen += [picture.path.stem for picture in page]
        before = page[-1].created
    assert seen == list("6543210")


def test_two_threads_add_at_once(outputs: Path) -> None:
    store, failures = opened(outputs), []

    def add(thread: int) -> None:
        try:
            for number in range(25):
                store.add(job(), published(outputs / f"{thread}-{number}.png", seed=number))
                store.search(Query(limit=5))
        except Exception as error:  # a thread's error would go unseen
            failures.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.search(Query(limit=100))) == 50


def test_links_out_of_the_folder_are_not_followed(outputs: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    made(private, "secret.png")
    made(outputs, "mine.png")
    try:
        (outputs / "folder").symlink_to(private, target_is_directory=True)
        (outputs / "file.png").symlink_to(private / "secret.png")
    except OSError:
        pytest.skip("this system makes no links for us")
    assert names(rebuilt(outputs)) == ["mine.png"]


def test_what_easel_did_not_make_is_listed_with_what_is_known(outputs: Path) -> None:
    for suffix in ("jpg", "jpeg", "webp", "gif"):
        Image.new("RGB", (8, 4)).save(outputs / f"x.{suffix}")
    for video_format in (VideoFormat.MP4, VideoFormat.WEBM):
        writer = VideoWriter(outputs / f"x.{video_format}", video_format, (64, 64), 8, {})
        writer.write(np.zeros((3, 64, 64, 3), np.uint8))
        writer.finish()
    (outputs / "broken.mp4").write_bytes(b"frames")
    (outputs / "notes.txt").write_text("no picture")
    (outputs / ".hidden.png").write_bytes(b"half")
    os.utime(outputs / "x.jpg", (NOON, NOON))
    store = rebuilt(outputs)
    assert {path.rsplit(".")[-1] for path in names(store)} == {"jpg", "jpeg", "webp", "gif", "mp4", "webm"}
    photo = next(each for each in store.search(Query()) if each.path.name == "x.jpg")
    assert (photo.created, photo.width, photo.height, photo.request, photo.prompt) == (NOON, 8, 4, None, "")


def test_a_broken_file_is_left_out(outputs: Path) -> None:
    whole = made(outputs, "whole.png").read_bytes()
    (outputs / "cut.png").write_bytes(whole[: len(whole) // 2])
    (outputs / "junk.png").write_bytes(b"junk")
    assert names(rebuilt(outputs)) == ["whole.png"]


def test_files_that_vanished_are_not_listed_after_a_rebuild(outputs: Path) -> None:
    made(outputs, "stays.png")
    goes = made(outputs, "goes.png")
    store = rebuilt(outputs)
    goes.unlink()
    assert store.rebuild() == 1
    assert names(store) == ["stays.png"]


def test_a_rebuild_can_be_ended_and_is_then_still_needed(outputs: Path) -> None:
    made(outputs)
    store = opened(outputs)

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        store.rebuild(stop)
    assert store.missing
    assert store.rebuild() == 1


def test_a_rebuild_that_never_came_is_still_needed_at_the_next_start(outputs: Path) -> None:
    made(outputs)
    opened(outputs).close()
    store = opened(outputs)
    assert store.missing
    store.rebuild()
    assert not opened(outputs).missing


def test_a_changed_file_is_read_again_and_keeps_its_job(outputs: Path) -> None:
    store = opened(outputs)
    path = made(outputs, prompt="before")
    assert store.add(job(prompt="before"), published(path)).created == NOON
    store.rebuild()
    assert only(store).prompt == "before"
    made(outputs, prompt="after", created=NOON + 1)
    store.rebuild()
    assert (only(store).prompt, only(store).job) == ("after", "0123456789ab")
    path.write_bytes(b"junk")
    assert store.rebuild() == 0


def test_a_name_that_is_not_utf_8_ends_no_rebuild(outputs: Path) -> None:
    odd = os.fsdecode(os.fsencode(outputs / "a") + b"\xff.png")
    try:
        Path(odd).write_bytes(made(outputs, "b.png").read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    assert names(rebuilt(outputs)) == ["b.png"]


@pytest.mark.parametrize(("seed", "known"), [("5", 5), ("99999999999999999999", 0), ("-1", 0), ("²", 0)])
def test_what_another_program_wrote_is_known_too(outputs: Path, seed: str, known: int) -> None:
    said = PngInfo()
    said.add_text("parameters", f"a barn\nNegative prompt: fog\nSteps: 20, Sampler: Euler, Seed: {seed}, Model: old")
    Image.new("RGB", (8, 4)).save(outputs / "x.png", pnginfo=said)
    found = only(rebuilt(outputs))
    assert (found.prompt, found.negative_prompt, found.model, found.seed) == ("a barn", "fog", "old", known)
    assert found.request is None


def newer(index: Path) -> None:
    with sqlite3.connect(index) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def junk(index: Path) -> None:
    index.write_bytes(b"this is no database" * 100)


def torn(index: Path) -> None:
    data = bytearray(index.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    index.write_bytes(data)


@pytest.mark.parametrize("damage", [newer, junk, torn])
def test_an_index_that_cannot_be_used_is_kept_aside_and_made_again(outputs: Path, damage: Any) -> None:
    index = outputs.parent / "history.sqlite3"
    for turn in (1, 2):
        made(outputs)
        rebuilt(outputs).close()
        damage(index)
        before = index.read_bytes()
        store = opened(outputs)
        assert store.missing
        assert index.with_name(f"history.sqlite3.broken-{turn}").read_bytes() == before
        assert names(store) == []
        assert store.rebuild() == 1
        store.close()


def test_a_good_index_is_used_again(outputs: Path) -> None:
    made(outputs)
    rebuilt(outputs).close()
    store = opened(outputs)
    assert not store.missing
    assert names(store) == ["a.png"]


def into(folder: Path) -> Any:
    """A trash of our own, so that tests leave nothing in the person's."""
    folder.mkdir()
    return lambda path: Path(path).rename(folder / Path(path).name)


def test_a_trashed_picture_is_gone_from_list_and_folder(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(outputs)
    store = rebuilt(outputs)
    monkeypatch.setattr(history_module, "send2trash", into(tmp_path / "trash"))
    store.trash(only(store).id)
    assert not path.exists() and (tmp_path / "trash" / "a.png").exists()
    assert store.search(Query()) == ()


def test_a_trashed_pictures_star_does_not_go_to_the_next_of_its_name(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(outputs)
    store = rebuilt(outputs)
    monkeypatch.setattr(history_module, "send2trash", into(tmp_path / "trash"))
    store.trash(store.set_favourite(only(store).id, True).id)
    assert json.loads((outputs.parent / "favourites.json").read_text("utf-8"))["favourites"] == []
    store.add(job(), published(made(outputs)))
    assert not only(store).favourite


def test_what_cannot_be_trashed_stays_listed_with_its_star(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = made(outputs)
    store = rebuilt(outputs)
    picture = store.set_favourite(only(store).id, True)
    monkeypatch.setattr(history_module, "send2trash", refuse)
    with pytest.raises(UserError) as caught:
        store.trash(picture.id)
    assert caught.value.code == "picture-not-trashed"
    assert caught.value.params == {"path": str(path), "why": "Permission denied"}
    assert path.exists()
    assert store.get(picture.id) == picture
    assert opened(outputs).get(picture.id).favourite


def test_webp_is_a_picture_on_a_system_that_does_not_know_it(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetypes, "_db", mimetypes.MimeTypes())  # Python's own list, without the system's
    made(outputs, "a.webp")
    store = rebuilt(outputs)
    assert [each.media_type for each in store.search(Query())] == ["image/webp"]
    store.close()
