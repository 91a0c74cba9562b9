"""Downloads from a server that behaves, and from one that does everything that servers do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.download import Downloader, DownloadState, Plan
from app.download.address import file_name, understand
from app.download.hub import Wanted
from app.download.plan import Piece, safe_name
from app.library.verify import verify
from app.model_files import read_card
from app.models import ModelStore
from engines.api import EaselError, NetworkError, ResourceError, UserError
from tests.app.download.conftest import NAME, weights
from tests.hub import Hub, Stored

UNET = "unet/diffusion_pytorch_model.safetensors"
FILE = "some.safetensors"


def get(downloader: Downloader, text: str = NAME, variant: str = "") -> Path:
    record = downloader.run(downloader.add(downloader.plan(text, variant)).id)
    assert record.state is DownloadState.DONE and record.place is not None
    return record.place


def refused(downloader: Downloader, text: str = NAME) -> EaselError:
    with pytest.raises(EaselError) as found:
        get(downloader, text)
    assert "<" not in found.value.message.cause, "a number is missing in the message"
    return found.value


def plain(hub: Hub, size: int = 600_000, name: str = FILE) -> str:
    """The address of a file outside any repository."""
    hub.plain[name] = Stored(weights(size, 7))
    return f"{hub.address}/{name}"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What is fetched


def test_only_what_the_model_needs_is_fetched_with_its_licence(hub: Hub, downloader: Downloader) -> None:
    place = get(downloader)
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert files == {
        "model_index.json", "LICENSE.md", "easel.json", "unet/config.json", UNET, "tokenizer/vocab.json", "tokenizer/merges.txt",
    }  # fmt: skip
    assert digest(place / UNET) == hub.repositories[NAME].files[UNET].sha256
    card = json.loads((place / "easel.json").read_text())
    assert card["licence"] == "openrail" and card["revision"] == hub.repositories[NAME].commit
    assert card["files"][UNET]["sha256"] == digest(place / UNET)
    assert not (place.parent / ".downloads").exists()


def test_what_came_can_be_verified_later(hub: Hub, downloader: Downloader) -> None:
    place = get(downloader)
    store = ModelStore((place.parent,))
    for file in (place / UNET, get(downloader, f"{NAME}:little.safetensors")):
        assert verify(file, store.hashes).verdict == "whole"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        assert verify(file, store.hashes).verdict == "damaged"


def test_a_variant_takes_the_name_that_loaders_look_for(hub: Hub, downloader: Downloader) -> None:
    place = get(downloader, variant="fp16")
    half = hub.repositories[NAME].files["unet/diffusion_pytorch_model.fp16.safetensors"]
    assert digest(place / UNET) == half.sha256


def test_one_file_of_a_repository_and_its_address_are_the_same(hub: Hub, downloader: Downloader) -> None:
    by_name = downloader.plan(f"{NAME}:little.safetensors")
    by_page = downloader.plan(f"{hub.address}/{NAME}/blob/main/little.safetensors")
    assert by_name == by_page and by_name.single
    place = get(downloader, f"{NAME}:little.safetensors")
    assert place.name == "little.safetensors"
    assert json.loads(place.with_name("little.easel.json").read_text())["licence"] == "openrail"
    assert read_card(place).licence == "openrail"


def test_a_plain_address(hub: Hub, downloader: Downloader) -> None:
    place = get(downloader, plain(hub))
    assert digest(place) == hub.plain[FILE].sha256
    assert get(downloader, plain(hub)) == place  # once is enough


def test_what_people_paste_is_understood() -> None:
    assert understand("a/b") == Wanted("a/b")
    assert understand(" a/b@v1:c/d.gguf ") == Wanted("a/b", "v1", "c/d.gguf")
    assert understand("https://huggingface.co/a/b") == Wanted("a/b")
    assert understand("https://huggingface.co/a/b/tree/dev") == Wanted("a/b", "dev")
    assert understand("https://hf.co/a/b/resolve/main/x%20y.safetensors?download=true") == Wanted(
        "a/b", "main", "x y.safetensors"
    )
    assert understand("https://other.example/a/b") == "https://other.example/a/b"


NO_ADDRESSES = (
    "",
    "x",
    "http://other.example/a.gguf",
    "file:///etc/passwd",
    "ftp://a/b",
    "https://",
    "https://me:pw@a/b",
    "a/b/c",
)


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused(downloader: Downloader, text: str) -> None:
    with pytest.raises(UserError) as found:
        downloader.plan(text)
    assert found.value.code == "download-address"


def test_a_gate_is_explained_and_a_token_opens_it(hub: Hub, downloader: Downloader) -> None:
    hub.repositories[NAME].gated = True
    assert refused(downloader).code == "hub-gated"
    host = hub.address.removeprefix("http://")
    with pytest.raises(UserError, match="kept until Easel is closed"):
        downloader.tokens.keep(host, hub.token)
    assert get(downloader).is_dir()
    to_others = [asked for asked in hub.asked if asked.path.startswith("/cdn/") and asked.authorization]
    assert to_others == []  # large files lie on another host, which is not told the token


def test_what_the_hub_does_not_know_or_is_private(hub: Hub, downloader: Downloader) -> None:
    assert refused(downloader, "no/such").code == "hub-unknown"
    hub.repositories[NAME].private = True
    assert refused(downloader).code == "hub-unknown"


def test_a_repository_with_pickles_alone_is_refused(hub: Hub, downloader: Downloader) -> None:
    files = hub.repositories[NAME].files
    for path in [path for path in files if path.startswith("unet/") and path.endswith("safetensors")]:
        del files[path]
    assert refused(downloader).code == "hub-no-safetensors"


def test_a_repository_with_several_files_asks_which(hub: Hub, downloader: Downloader) -> None:
    del hub.repositories[NAME].files["model_index.json"]
    assert refused(downloader).code == "hub-which-file"


def test_a_hostile_list_of_files_stays_inside(hub: Hub, downloader: Downloader) -> None:
    files = hub.repositories[NAME].files
    files["tokenizer/../../../evil.json"] = Stored(b"{}", large=False)
    files["unet/\u202econ:.json"] = Stored(b"{}", large=False)
    error = refused(downloader)
    assert error.code == "download-answer-broken"


# A server that misbehaves


@pytest.mark.parametrize("kind", ["drop", "truncate", "stall", "slow", "status", "wrong-range", "ignore-range"])
def test_a_broken_line_is_gone_on_with(hub: Hub, downloader: Downloader, kind: str) -> None:
    address = plain(hub)
    plan = downloader.plan(address)
    if kind in ("wrong-range", "ignore-range"):
        hub.order(FILE, "drop", after=300_000)
    hub.order(FILE, kind, after=300_000, rate=2000, number=503)
    place = downloader.run(downloader.add(plan).id).place
    assert place is not None and digest(place) == hub.plain[FILE].sha256
    ranges = [asked.range for asked in hub.asked if FILE in asked.path][1:]
    assert len(ranges) >= 2
    if kind == "drop":
        assert ranges[1].startswith("bytes=") and hub.asked[-1].if_range.startswith('"')
        assert hub.file_bytes < 620_000


def test_a_new_version_on_the_way_begins_anew(hub: Hub, downloader: Downloader) -> None:
    address = plain(hub)
    plan = downloader.plan(address)
    hub.order(FILE, "drop", after=300_000)
    hub.order(FILE, "new-etag")
    place = downloader.run(downloader.add(plan).id).place
    assert place is not None and digest(place) == hub.plain[FILE].sha256
    assert hub.file_bytes >= 900_000


def test_without_a_validator_and_a_hash_parts_are_not_put_together(hub: Hub, downloader: Downloader) -> None:
    plan = downloader.plan(plain(hub))
    hub.order(FILE, "no-validator", times=1)
    record = downloader.add(plan)
    hub.orders.clear()
    hub.order(FILE, "drop", after=300_000)
    place = downloader.run(record.id).place
    assert place is not None and digest(place) == hub.plain[FILE].sha256


def test_a_flipped_bit_is_fetched_again_and_a_second_one_is_said(hub: Hub, downloader: Downloader) -> None:
    hub.order(UNET, "flip", after=1000)
    place = get(downloader)
    assert digest(place / UNET) == hub.repositories[NAME].files[UNET].sha256
    hub.repositories[NAME].files["extra.txt"] = Stored(b"", large=False)  # another revision
    hub.order(UNET, "flip", after=1000, times=2)
    error = refused(downloader)
    assert error.code == "download-damaged"
    record = next(news.record for news in downloader.all() if news.record.state is DownloadState.FAILED)
    aside = record.place_of(UNET).with_name("diffusion_pytorch_model.safetensors.damaged")
    assert aside.is_file()


def test_a_small_file_with_a_flipped_bit_is_found_by_gits_hash(hub: Hub, downloader: Downloader) -> None:
    hub.order("tokenizer/vocab.json", "flip", after=3, times=2)
    assert refused(downloader).code == "download-damaged"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("circle", "download-redirects"),
        ("to-file", "download-redirects"),
        ("to-elsewhere", "download-redirects"),
        ("html", "download-is-a-page"),
        ("gzip", "download-answer-broken"),
        ("overrun", "download-broken-off"),
        ("pointer", "download-broken-off"),
        ("stall", "download-broken-off"),
        ("status", "download-forbidden"),
    ],
)
def test_what_cannot_be_mended_is_said(hub: Hub, downloader: Downloader, kind: str, code: str) -> None:
    plan = downloader.plan(plain(hub))
    hub.order(FILE, kind, times=-1, number=403)
    with pytest.raises(EaselError) as found:
        downloader.run(downloader.add(plan).id)
    assert found.value.code == code
    assert "<" not in found.value.message.cause
    hub.orders.clear()
    assert get(downloader, plain(hub)).is_file()  # and the next try goes well


def test_a_pointer_of_unknown_size_is_not_taken_for_a_model(hub: Hub, downloader: Downloader) -> None:
    hub.order(FILE, "pointer", times=-1)
    assert refused(downloader, plain(hub)).code == "download-damaged"


def test_no_server_at_all(hub: Hub, downloader: Downloader) -> None:
    address = f"http://127.0.0.1:1/{FILE}"
    error = refused(downloader, address)
    assert error.code == "download-no-connection" and isinstance(error, NetworkError)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ('attachment; filename="good.safetensors"', "good.safetensors"),
        ('attachment; filename="../../.ssh/evil.safetensors"', "evil.safetensors"),
        ('attachment; filename="C:\\\\Windows\\\\con.gguf"', "_con.gguf"),
        ("attachment; filename*=UTF-8''..%2F..%2Fevil.safetensors", "evil.safetensors"),
    ],
)
def test_a_lying_name_leads_nowhere(told: str, name: str) -> None:
    assert file_name("https://a.example/download/123", told) == name
    assert file_name("https://a.example/own.safetensors", told) == "own.safetensors"


def test_a_name_that_says_pickle_is_refused(hub: Hub, downloader: Downloader) -> None:
    hub.plain["get/one/file"] = Stored(weights(100))
    hub.order("get/one/file", "name", text='attachment; filename="model.ckpt"')
    assert refused(downloader, f"{hub.address}/get/one/file").code == "download-can-run-code"
    assert refused(downloader, f"{hub.address}/get/one/file").code == "download-kind-unknown"


@pytest.mark.parametrize("path", ["../a.json", "/etc/passwd", "a//b", "a/../b", "", "c:/x", "a\\b", "nul"])
def test_a_piece_is_always_inside(path: str) -> None:
    with pytest.raises(ValueError, match="not a place inside"):
        Piece(path=path, address="https://a.example/x")
    assert "/" not in safe_name(path) and safe_name(path) not in ("", ".", "..")


# The disk


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(hub: Hub, downloader: Downloader) -> None:
    plan = downloader.plan(plain(hub))
    huge = plan.model_copy(update={"pieces": (plan.pieces[0].model_copy(update={"size": 10**15}),)})
    sent = hub.file_bytes
    with pytest.raises(ResourceError) as found:
        downloader.add(huge)
    assert found.value.code == "download-disk-too-small" and "1000.0 TB" in found.value.message.cause
    assert hub.file_bytes == sent


@pytest.mark.skipif(sys.platform != "linux", reason="a small file system is mounted with Linux's tmpfs")
def test_a_disk_that_fills_keeps_what_came_and_goes_on(
    hub: Hub, make: Callable[[], Downloader], tmp_path: Path
) -> None:
    """Room for the plan when it starts, none in the middle: what was fetched stays and is not fetched again."""
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(models)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    try:
        downloader = make()
        plan = downloader.plan(plain(hub))
        ballast = models / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        os.truncate(ballast, ballast.stat().st_size - 300_000)  # less than the weights
        monkey = pytest.MonkeyPatch()
        monkey.setattr("app.download.fetch.check_room", lambda *_: None)  # somebody else fills the disk after the look
        monkey.setattr("app.download.downloader.check_room", lambda *_: None, raising=False)
        with pytest.raises(ResourceError) as found:
            downloader.run(downloader.add(plan).id)
        monkey.undo()
        assert found.value.code == "download-disk-full"
        (waiting,) = downloader.all()
        sent = hub.file_bytes
        ballast.unlink()
        assert downloader.run(waiting.record.id).state is DownloadState.DONE
        assert hub.file_bytes - sent < 600_000, "not from its beginning"
    finally:
        subprocess.run(["umount", "-l", str(models)], check=False)


# The queue


def test_pause_resume_and_a_new_start_fetch_nothing_twice(
    hub: Hub, downloader: Downloader, make: Callable[[], Downloader]
) -> None:
    hub.rate = 400_000
    plan = downloader.plan(plain(hub))
    record = downloader.add(plan)
    before = hub.file_bytes
    paused, done = Waiter(downloader), Waiter(downloader)
    downloader.start()
    paused.wait(lambda news: news.there > 200_000)
    downloader.pause(record.id)
    paused.wait(lambda news: news.record.state is DownloadState.PAUSED)
    kept = downloader.all()[0].there
    assert 200_000 <= kept < 600_000
    downloader.close()
    hub.rate = 0
    again = make()
    done = Waiter(again)
    again.start()
    assert again.all()[0].record.state is DownloadState.PAUSED
    again.resume(record.id)
    news = done.wait(lambda news: news.record.state is DownloadState.DONE)
    assert news.record.place is not None and digest(news.record.place) == hub.plain[FILE].sha256
    assert hub.file_bytes - before < 600_000 * 1.05 + 65_536


def test_closing_goes_on_by_itself_at_the_next_start(
    hub: Hub, downloader: Downloader, make: Callable[[], Downloader]
) -> None:
    hub.rate = 400_000
    downloader.add(downloader.plan(plain(hub)))
    first = Waiter(downloader)
    downloader.start()
    first.wait(lambda news: news.there > 100_000)
    downloader.close()
    hub.rate = 0
    again = make()
    second = Waiter(again)
    again.start()
    second.wait(lambda news: news.record.state is DownloadState.DONE)


def test_cancel_leaves_nothing_and_the_next_in_the_queue_comes(
    hub: Hub, downloader: Downloader, tmp_path: Path
) -> None:
    hub.rate = 400_000
    first = downloader.add(downloader.plan(plain(hub)))
    second = downloader.add(downloader.plan(plain(hub, 1000, "second.safetensors")))
    seen = Waiter(downloader)
    downloader.start()
    seen.wait(lambda news: news.record.id == first.id and news.there > 100_000)
    downloader.cancel(first.id)
    seen.wait(lambda news: news.record.id == second.id and news.record.state is DownloadState.DONE)
    assert [news.record.id for news in downloader.all()] == [second.id]
    left = {path.name for path in (tmp_path / "data" / "models").rglob("*")}
    assert left == {"second.safetensors", "second.easel.json"}


def test_two_programs_do_not_fetch_the_same(hub: Hub, downloader: Downloader, make: Callable[[], Downloader]) -> None:
    hub.rate = 400_000
    record = downloader.add(downloader.plan(plain(hub)))
    seen = Waiter(downloader)
    downloader.start()
    seen.wait(lambda news: news.there > 100_000)
    other = make()
    assert other.all()[0].elsewhere
    with pytest.raises(UserError, match="Another program"):
        other.run(record.id)
    with pytest.raises(UserError, match="Another program"):
        other.cancel(record.id)


def test_a_plan_is_the_same_after_its_file(downloader: Downloader) -> None:
    plan = downloader.plan(NAME)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


class Waiter:
    """Collects the news of a downloader from now on."""

    def __init__(self, downloader: Downloader) -> None:
        import queue

        self._news: queue.Queue = queue.Queue()
        downloader.subscribe(self._news.put)

    def wait(self, good: Callable, seconds: float = 20) -> object:
        import time

        deadline = time.monotonic() + seconds
        while True:
            news = self._news.get(timeout=max(0.01, deadline - time.monotonic()))
            if good(news):
                return news
