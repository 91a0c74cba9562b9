"""The stand-in is believed because the hub's own client is content with it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.hub import Hub, Repository, Stored

SNAPSHOT = """
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], endpoint=sys.argv[2], cache_dir=sys.argv[3]))
"""


def client(hub: Hub, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(folder)}
    words = [sys.executable, "-c", SNAPSHOT, name, hub.address, str(folder)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_hubs_own_client_gets_a_whole_repository(tmp_path: Path) -> None:
    weights = bytes(range(256)) * 4000
    files = {"model_index.json": Stored(b"{}", large=False), "unet/model.safetensors": Stored(weights)}
    with Hub() as hub:
        hub.add(Repository("someone/something", files))
        done = client(hub, "someone/something", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert (folder / "model_index.json").read_bytes() == b"{}"
    found = hashlib.sha256((folder / "unet/model.safetensors").read_bytes()).hexdigest()
    assert found == files["unet/model.safetensors"].sha256
    assert folder.name == hub.repositories["someone/something"].commit


def test_the_hubs_own_client_understands_a_gate(tmp_path: Path) -> None:
    with Hub() as hub:
        hub.add(Repository("someone/gated", {"model.safetensors": Stored(b"x" * 100)}, gated=True))
        done = client(hub, "someone/gated", tmp_path)
    assert done.returncode != 0
    assert "GatedRepoError" in done.stderr
