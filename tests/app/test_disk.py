"""A job whose pictures would have no room is refused before anything is drawn."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from app.places import check_output_place
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
