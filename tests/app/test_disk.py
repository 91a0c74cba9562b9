"""A job whose pictures would have no room is refused before anything is drawn."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from app.file_sizes import FileSize
from app.places import check_output_place, rooms_for
from app.remedies import remedies_for_code
from engines.api import UserError
from tests.app.test_ledger import REQUEST

Usage = namedtuple("Usage", "total used free")


def test_both_numbers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - 1_500_000, 1_500_000))
    with pytest.raises(UserError) as caught:
        check_output_place(tmp_path, REQUEST)
    assert caught.value.code == "disk-too-small"
    assert caught.value.params["free"] == "1.5 MB"
    assert "1.5 MB" in str(caught.value)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError) as caught:
        check_output_place(tmp_path / "out" / "deeper", REQUEST)
    assert caught.value.code == "output-unwritable"
    assert str(tmp_path / "out") in str(caught.value)


def test_where_there_is_room_nothing_is_left_behind(tmp_path: Path) -> None:
    check_output_place(tmp_path / "new", REQUEST)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_disk_that_does_not_answer_is_an_error_with_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(_path: Path) -> Usage:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(UserError) as caught:
        rooms_for(REQUEST, FileSize(1, 1, False), tmp_path, tmp_path)
    assert (caught.value.code, caught.value.params["why"]) == ("output-unwritable", "Input/output error")


def test_a_drive_that_is_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda _path: False)  # as for every part of Z:/pictures without a Z:
    with pytest.raises(UserError) as caught:
        rooms_for(REQUEST, FileSize(1, 1, False), tmp_path, tmp_path)
    assert caught.value.code == "output-unwritable"


@pytest.mark.parametrize("code", ["no-room-while-made", "job-not-written-down", "output-not-saved"])
def test_a_job_that_a_full_disk_ended_goes_on_from_its_card(code: str) -> None:
    assert "resume" in {each.action for each in remedies_for_code(code)}
