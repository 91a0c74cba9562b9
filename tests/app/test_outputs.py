"""Publishing: nothing half-written, nothing replaced, names that every system can hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs import Job, Queued
from app.names import slug
from app.outputs import OutputStore
from engines.api import Artifact, ResourceError
from tests.app.test_ledger import REQUEST


def staged(folder: Path, data: bytes = b"picture") -> Artifact:
    folder.mkdir(exist_ok=True)
    path = folder / "image-0000.png"
    path.write_bytes(data)
    return Artifact(0, path, "image/png", 7, 64, 64)


def job(prompt: str = "a red apple", out: Path | None = None) -> Job:
    return Job("0123456789ab", REQUEST.with_(prompt=prompt, count=1), 1_700_000_000.0, Queued(), out)


def test_a_file_is_moved_whole_and_staging_is_empty(tmp_path: Path) -> None:
    store, artifact = OutputStore(tmp_path / "out"), staged(tmp_path / "staging")
    published = store.publish(job(), artifact)
    store.settle(job(), artifact)
    assert published.path.read_bytes() == b"picture"
    assert "a-red-apple-7" in published.path.name
    assert not list((tmp_path / "staging").iterdir())
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [published.path]


def test_what_cannot_be_swept_away_stays(tmp_path: Path) -> None:
    store = OutputStore(tmp_path)
    stuck = store._folder(job()) / f".easel-{job().id}-0.tmp"
    stuck.mkdir(parents=True)  # refuses to be unlinked, as a file does on Windows that another program looks at
    store.sweep(job())
    assert stuck.is_dir()


def test_two_files_never_share_a_name(tmp_path: Path) -> None:
    store = OutputStore(tmp_path / "out")
    made: list[bytes] = []
    for data in (b"1", b"2"):
        artifact = staged(tmp_path / "staging", data)
        made.append(store.publish(job(), artifact).path.read_bytes())
        store.settle(job(), artifact)
    assert made == [b"1", b"2"]
    assert sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*.png")) == [b"1", b"2"]


def test_published_again_after_a_kill_it_is_the_same_file(tmp_path: Path) -> None:
    """Killed after the file had its name and before the ledger knew of it: no second one is made."""
    store, artifact = OutputStore(tmp_path / "out"), staged(tmp_path / "staging")
    first, second = store.publish(job(), artifact), store.publish(job(), artifact)
    assert first.path == second.path
    first.path.rename(first.path.with_name("mine.png"))
    third = store.publish(job(), staged(tmp_path / "staging", b"made again"))
    assert first.path.with_name("mine.png").read_bytes() == b"picture", "a file that was renamed is not written through"
    assert third.path.read_bytes() == b"made again"
    store.sweep(job())
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_a_named_file_is_that_file(tmp_path: Path) -> None:
    target = tmp_path / "mine.png"
    assert OutputStore(tmp_path / "out").publish(job(out=target), staged(tmp_path / "staging")).path == target


def test_when_the_folder_is_gone_the_picture_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where a folder should be")
    artifact = staged(tmp_path / "staging")
    with pytest.raises(ResourceError) as caught:
        OutputStore(tmp_path / "out").publish(job(), artifact)
    assert caught.value.code == "output-not-saved"
    assert str(artifact.path) in str(caught.value)
    assert artifact.path.read_bytes() == b"picture"


@given(st.text(max_size=300))
def test_any_prompt_makes_a_safe_name(prompt: str) -> None:
    name = slug(prompt)
    assert name and len(name) <= 61
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f\s]', name)
    assert name not in (".", "..", "con", "nul")
