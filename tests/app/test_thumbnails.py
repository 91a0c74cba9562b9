"""Thumbnails: small, kept, made again when the file changes, and never the reason for a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from app.thumbnails import ThumbnailStore
from engines.api import UserError


def picture(folder: Path, size: tuple[int, int] = (1000, 400), name: str = "a.png") -> Path:
    path = folder / name
    Image.radial_gradient("L").resize(size).convert("RGB").save(path)
    return path


def test_the_longer_side_has_256_pixels(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path / "cache")
    for size, small in (((1000, 400), (256, 102)), ((400, 1000), (102, 256)), ((2000, 2), (256, 1))):
        with Image.open(store.of(picture(tmp_path, size, f"{size[0]}.png"))) as found:
            assert (found.format, found.size) == ("WEBP", small)


def test_a_thumbnail_is_made_once(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path / "cache")
    path = picture(tmp_path)
    first = store.of(path)
    made = first.stat().st_mtime_ns
    assert ThumbnailStore(tmp_path / "cache").of(path) == first
    assert first.stat().st_mtime_ns == made
    assert list((tmp_path / "cache").iterdir()) == [first]


def test_a_changed_file_gets_a_new_one(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path / "cache")
    path = picture(tmp_path)
    first = store.of(path)
    os.utime(path, ns=(1, 1))
    assert store.of(path) != first
    assert store.of(picture(tmp_path, name="b.png")) != first


@pytest.mark.parametrize("content", [b"", b"junk", b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_what_is_no_picture_is_an_error_with_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        ThumbnailStore(tmp_path / "cache").of(path)
    assert (caught.value.code, caught.value.params["path"]) == ("thumbnail-impossible", str(path))
    assert caught.value.params["why"] and caught.value.message.fixes


def test_a_file_that_is_gone_is_an_error_with_words(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        ThumbnailStore(tmp_path / "cache").of(tmp_path / "none.png")
    assert caught.value.code == "thumbnail-impossible"


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(UserError) as caught:
        ThumbnailStore(tmp_path / "cache").of(path)
    assert "64" in caught.value.params["why"]


def test_the_reason_is_of_this_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"junk")
    with pytest.raises(UserError) as caught:
        ThumbnailStore(tmp_path / "cache").of(tmp_path / "x.png")
    assert "start from" not in str(caught.value)


def test_a_name_that_is_not_utf_8_has_a_thumbnail(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "a") + b"\xff.png"))
    try:
        odd.write_bytes(picture(tmp_path).read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    assert ThumbnailStore(tmp_path / "cache").of(odd).exists()


def test_a_relative_path_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ThumbnailStore(tmp_path / "cache")
    assert store.of(Path(picture(tmp_path).name)) == store.of(tmp_path / "a.png")


def test_the_oldest_go_when_the_cache_is_full(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    store = ThumbnailStore(cache)
    kept = [store.of(picture(tmp_path, name=f"{number}.png")) for number in range(4)]
    for age, path in enumerate(kept):
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    ThumbnailStore(cache, limit_bytes=sum(path.stat().st_size for path in kept[2:])).tidy()
    assert sorted(cache.iterdir()) == sorted(kept[2:])
