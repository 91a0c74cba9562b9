"""What the folders take, and that only what is made again is cleared."""

from __future__ import annotations

from pathlib import Path

from app.paths import Paths
from app.storage import clear_cache, rooms


def _fill(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_each_byte_is_counted_once(tmp_path: Path) -> None:
    paths = Paths.below(tmp_path)
    _fill(paths.models / "a" / "weights.safetensors", 1000)
    _fill(paths.ledger, 10)
    _fill(paths.outputs / "day" / "picture.png", 100)
    used = {room.name: room.used for room in rooms(paths, paths.outputs)}
    assert used == {"outputs": 100, "models": 1000, "data": 10, "cache": 0, "logs": 0}
    assert all(room.free > 0 and room.whole for room in rooms(paths, paths.outputs))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    paths = Paths.below(tmp_path / "home")
    _fill(tmp_path / "elsewhere" / "large.bin", 5000)
    paths.models.mkdir(parents=True)
    (paths.models / "linked").symlink_to(tmp_path / "elsewhere")
    assert {room.name: room.used for room in rooms(paths, paths.outputs)}["models"] < 5000


def test_previews_go_and_the_index_of_models_stays(tmp_path: Path) -> None:
    paths = Paths.below(tmp_path)
    _fill(paths.cache / "thumbnails" / "a.webp", 300)
    _fill(paths.cache / "exports" / "b.zip", 200)
    _fill(paths.cache / "models.sqlite3", 40)
    assert clear_cache(paths) == 500
    assert (paths.cache / "models.sqlite3").exists()
    assert not (paths.cache / "thumbnails").exists()
    assert clear_cache(paths) == 0
