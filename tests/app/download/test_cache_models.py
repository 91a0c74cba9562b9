"""`easel cache-models` as people start it, and killed in the middle again and again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.paths import ROOT
from tests.app.download.conftest import NAME, weights
from tests.hub import Hub, Repository, Stored


def start(home: Path, hub: Hub, *words: str) -> subprocess.Popen[str]:
    config = home / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "settings.json").write_text(json.dumps({"schema_version": 1, "hub_address": hub.address}))
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "app", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(home: Path, hub: Hub, *words: str) -> tuple[int, str, str]:
    process = start(home, hub, *words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.strip(), err


def test_a_family_is_fetched_by_its_name_and_is_there_the_next_time(hub: Hub, tmp_path: Path) -> None:
    from app.catalogue import catalogue

    entry = catalogue().find("sd15")
    assert entry is not None
    hub.add(Repository(entry.repository, hub.repositories[NAME].files))
    status, out, err = run(tmp_path, hub, "cache-models", "sd15", "--json")
    assert status == 0, err
    place = Path(json.loads(out)["place"])
    card = json.loads((place / "easel.json").read_text())
    assert card["title"] == entry.title and card["defaults"]["steps"] == entry.defaults["steps"]
    sent = hub.file_bytes
    status, out, err = run(tmp_path, hub, "cache-models", entry.id)
    assert (status, out) == (0, str(place)) and "licence" in err
    small = 20_000  # model_index.json, to see what the repository holds
    assert hub.file_bytes - sent < small


def test_what_is_not_known_and_what_cannot_be_reached_have_their_exit_codes(hub: Hub, tmp_path: Path) -> None:
    status, _, err = run(tmp_path, hub, "cache-models", "sdzx")
    assert status == 2 and "cache-unknown" in err and "sdxl" in err
    status, _, err = run(tmp_path, hub, "cache-models", "http://127.0.0.1:1/x.safetensors")
    assert status == 4 and "download-no-connection" in err
    status, _, err = run(tmp_path, hub, "cache-models", "text-to-image/best")
    assert status == 2 and "preset-names-no-model" in err


def test_the_rest_of_easel_stays_offline(hub: Hub, tmp_path: Path) -> None:
    for words in (("models", "list"), ("catalogue",), ("doctor",)):
        run(tmp_path, hub, *words)
    assert hub.asked == []


SIZE = 24_000_000
KILLS, DOWNLOADS = 50, 10


@pytest.mark.long
@pytest.mark.parametrize("number", range(DOWNLOADS))
def test_fifty_kills_lose_nothing_and_fetch_little_twice(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, parts = random.Random(number), KILLS // DOWNLOADS
    with Hub(rate=8_000_000) as hub:
        stored = hub.plain["big.safetensors"] = Stored(weights(SIZE, number))
        address = f"{hub.address}/big.safetensors"
        places = [part * SIZE // (parts + 2) + chance.randrange(SIZE // 10) for part in range(1, parts + 1)]
        kills = sum(killed_after(tmp_path, hub, address, place) for place in places)
        status, out, err = run(tmp_path, hub, "cache-models", address)
        again = hub.file_bytes / len(stored.data) - 1
    assert status == 0, err
    assert hashlib.sha256(Path(out).read_bytes()).hexdigest() == stored.sha256
    with capsys.disabled():
        print(f"\ndownload {number}: {kills} kills, the hash is right, fetched again {again:.2%}")
    assert kills == parts
    assert again <= 0.05


def killed_after(home: Path, hub: Hub, address: str, sent: int) -> int:
    """Start the command and kill it when the server has sent so many bytes in all; 1 when it was killed on the way."""
    process = start(home, hub, "cache-models", address)
    deadline = time.monotonic() + 60
    while hub.file_bytes < sent and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return int(alive)
