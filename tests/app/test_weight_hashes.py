"""Receipts name weight files by their hashes: small ones at once, large ones without a picture waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.models import ModelStore
from app.weight_hashes import SMALL, WeightHashes
from engines.api import ModelRecord


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore((tmp_path / "models",), tmp_path / "index.sqlite3")


def weights(folder: Path, size: int) -> ModelRecord:
    """A file of zeros; a large one takes no room on the disk."""
    path = folder / "models" / f"{size}.safetensors"
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return ModelRecord("m", "M", "sd15", path, "single-file", size)


class Held:
    """The store's own hashing, which does not begin before `go` is set."""

    def __init__(self, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.done = threading.Event(), threading.Event()
        real = store.hashes

        def hashes(path: Path):
            assert self.go.wait(60)
            found = real(path)
            self.done.set()
            return found

        monkeypatch.setattr(store, "hashes", hashes)


@pytest.fixture
def held(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    found = Held(store, monkeypatch)
    yield found
    found.go.set()


def test_a_large_file_does_not_keep_the_picture_waiting(tmp_path: Path, store: ModelStore, held: Held) -> None:
    record, hashes = weights(tmp_path, SMALL + 1), WeightHashes(store)
    # It would wait for an hour if it waited at all: nothing has been hashed, and nothing will be until `go`.
    assert hashes.of(record, wait=3600) == {}
    assert not held.done.is_set()
    held.go.set()
    assert held.done.wait(120), "in the background"
    found = hashes.of(record)
    assert list(found) == [record.path.name] and len(found[record.path.name]) == 64
    assert hashes.of(record, wait=0) == found, "known from then on"
    hashes.close()


def test_a_small_file_is_waited_for(tmp_path: Path, store: ModelStore, held: Held) -> None:
    record, hashes = weights(tmp_path, 1000), WeightHashes(store)
    assert hashes.of(record, wait=0.01) == {}, "and not for ever"
    held.go.set()
    assert len(hashes.of(record, wait=60)) == 1
    hashes.close()
