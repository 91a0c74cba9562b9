"""The memory of the shelves: unchanged files are not opened again, changed ones are, and a damaged memory is no loss."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from app.library import ModelIndex
from app.library.hashes import compute
from app.library.keeper import Keeper
from app.library.verify import verify
from app.models import ModelStore
from engines.api import Kind
from tests.app.library import trees
from tests.engines.identify.headers import header_bytes
from tests.engines.identify.test_identify import KINDS

SMALL_CHECKPOINT = {
    "model.diffusion_model.input_blocks.1.1.proj_in.weight": ("F16", [8, 8, 1, 1]),
    "first_stage_model.decoder.conv_in.weight": ("F16", [8, 4, 3, 3]),
    "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": ("F16", [8, 8]),
}


def test_unchanged_files_are_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, memory = tmp_path / "shelf", tmp_path / "cache" / "index"
    trees.put(shelf, {"a.safetensors": "VAE", "b.safetensors": "checkpoint of XL"})
    first = ModelStore([shelf], memory)
    expected = [(each.path, each.identified, each.fingerprint) for each in first.files()]
    opened: list[Path] = []

    def count(path: Path):
        from engines.api import identify

        opened.append(path)
        return identify(path)

    monkeypatch.setattr("app.library.shelf.identify", count)
    again = ModelStore([shelf], memory)
    assert [(each.path, each.identified, each.fingerprint) for each in again.files()] == expected
    assert opened == []
    trees.put(shelf, {"a.safetensors": "LoRA of XL, kohya"})
    again.rescan()
    assert opened == [shelf / "a.safetensors"]
    assert again.file(shelf / "a.safetensors").kind is Kind.LORA


def test_changes_are_noticed(tmp_path: Path) -> None:
    trees.put(tmp_path, {"a.safetensors": "checkpoint of 1.5"})
    store = ModelStore([tmp_path])
    assert [record.id for record in store.all()] == ["a"]
    assert not store.refresh()
    trees.put(tmp_path, {"new/b.safetensors": "checkpoint of XL"})
    assert store.refresh()
    assert [record.id for record in store.all()] == ["a", "b"]
    (tmp_path / "a.safetensors").unlink()
    assert store.refresh()
    assert [record.id for record in store.all()] == ["b"]
    assert not store.refresh()


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_memory_costs_a_scan(damage: bytes, tmp_path: Path) -> None:
    memory = tmp_path / "index"
    memory.write_bytes(damage)
    trees.put(tmp_path / "shelf", {"a.safetensors": "checkpoint of 1.5"})
    assert len(ModelStore([tmp_path / "shelf"], memory).all()) == 1
    assert len(ModelStore([tmp_path / "shelf"], memory).all()) == 1


def test_another_easel_asks_anew(tmp_path: Path) -> None:
    old = ModelIndex(tmp_path / "index", "old")
    old.keep([("/a", "1-1", {"kind": "vae"})])
    assert old.facts() == {"/a": ("1-1", {"kind": "vae"})}
    old.close()
    assert ModelIndex(tmp_path / "index", "new").facts() == {}


def test_hashes_are_those_that_others_use_and_are_kept(tmp_path: Path) -> None:
    data, room = header_bytes(KINDS["LoRA of XL, kohya"][0], {"a": "b"})
    tensors = os.urandom(room)
    path = tmp_path / "shelf" / "a.safetensors"
    path.parent.mkdir()
    path.write_bytes(data + tensors)
    store = ModelStore([path.parent], tmp_path / "index")
    assert store.known_hashes(path).sha256 == ""
    assert store.hash_all() == 1
    assert store.hash_all() == 0
    found = ModelStore([path.parent], tmp_path / "index").known_hashes(path)
    assert found.model_hash == hashlib.sha256(data + tensors).hexdigest()[:10]
    assert found.lora_hash == hashlib.sha256(tensors).hexdigest()[:12]
    path.write_bytes(data + os.urandom(room))
    os.utime(path, (1, 1))
    assert store.known_hashes(path).sha256 == ""
    assert compute(path, stop=lambda: True).sha256 == ""


def test_a_flipped_bit_is_found_where_a_checksum_lies_beside(tmp_path: Path) -> None:
    data, room = header_bytes(KINDS["VAE"][0])
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + room)
    digest = compute(path).sha256
    assert verify(path, compute).verdict == "readable"
    (tmp_path / "a.safetensors.sha256").write_text(f"{digest}  a.safetensors\n")
    assert verify(path, compute).verdict == "whole"
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert verify(path, compute).verdict == "damaged"
    os.truncate(path, 1000)
    assert verify(path, compute).verdict == "damaged"


def test_ten_thousand_unchanged_files_take_less_than_five_seconds(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    data, room = header_bytes(KINDS["LoRA of XL, kohya"][0])
    whole = data + bytes(room)
    for folder in range(100):
        (shelf / f"{folder:03}").mkdir(parents=True)
        for number in range(100):
            (shelf / f"{folder:03}" / f"{number:03}.safetensors").write_bytes(whole)
    first = ModelStore([shelf], tmp_path / "index")
    assert len(first.files()) == 10_000
    again = ModelStore([shelf], tmp_path / "index")
    started = time.process_time()
    assert len(again.files()) == 10_000
    rescan = time.process_time() - started
    started = time.process_time()
    assert not again.refresh()
    print(f"rescan {rescan:.2f} s, look for changes {time.process_time() - started:.3f} s (processor time)")
    assert rescan < 5


def test_the_keeper_notices_files_and_computes_hashes_while_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.library.keeper.PERIOD", 0.05)
    path = next(iter(trees.put(tmp_path / "shelf", {"a.safetensors": "LoRA of XL, kohya"})))
    store = ModelStore([tmp_path / "shelf"])
    store.all()
    busy = [True]
    noticed = threading.Event()
    keeper = Keeper(store, lambda: busy[0], noticed.set)
    keeper.start()
    trees.put(tmp_path / "shelf", {"sub/b.safetensors": "LoRA of 1.5, kohya"})
    assert noticed.wait(20)
    assert store.known_hashes(Path(path)).sha256 == ""
    busy[0] = False
    for _ in range(400):
        if store.known_hashes(Path(path)).sha256:
            break
        time.sleep(0.05)
    keeper.close()
    assert store.known_hashes(Path(path)).lora_hash
    assert len(store.files(Kind.LORA)) == 2


def test_a_model_in_one_file_says_its_hash(tmp_path: Path) -> None:
    data, room = header_bytes(SMALL_CHECKPOINT)
    path = tmp_path / "a.safetensors"
    path.write_bytes(data + bytes(room))
    store = ModelStore([tmp_path])
    assert store.get("a").hashes == {}
    assert store.hash_all() == 1
    assert store.get("a").hashes == {"a.safetensors": hashlib.sha256(path.read_bytes()).hexdigest()}
