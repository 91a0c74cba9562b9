"""A stand-in of the hub, and a downloader whose patience is short."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.download import Downloader
from app.download.tokens import Tokens
from app.download.web import Patience
from tests.hub import Hub, Repository, Stored

PATIENCE = Patience(
    connect=5, silence=1.0, slow_bytes=50_000, slow_seconds=1.0, tries=4, pause=0.01, longest_pause=0.05
)
NAME = "someone/little-model"


def weights(size: int, seed: int = 1) -> bytes:
    """A safetensors file of noise with a header that is one."""
    header = json.dumps({"noise": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + random.Random(seed).randbytes(size)


def little_model(size: int = 600_000) -> dict[str, Stored]:
    """A repository in the layout of diffusers, with much that nobody needs."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "image_encoder": [None, None],
    }
    return {
        "model_index.json": Stored(json.dumps(index).encode(), large=False),
        "LICENSE.md": Stored(b"Do no harm.", large=False),
        "README.md": Stored(b"# Little", large=False),
        "little.safetensors": Stored(weights(1000, 2)),
        "unet/config.json": Stored(b"{}", large=False),
        "unet/diffusion_pytorch_model.safetensors": Stored(weights(size)),
        "unet/diffusion_pytorch_model.fp16.safetensors": Stored(weights(size // 2, 3)),
        "unet/diffusion_pytorch_model.bin": Stored(b"pickle"),
        "tokenizer/vocab.json": Stored(b'{"a": 0}', large=False),
        "tokenizer/merges.txt": Stored(b"#version: 0.2\n", large=False),
        "safety_checker/model.safetensors": Stored(weights(1000, 4)),
    }


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        running.add(Repository(NAME, little_model(), licence="openrail"))
        yield running


class NoTokens(Tokens):
    """The session's tokens alone: the keyring of the machine that runs the tests is not for them."""

    @staticmethod
    def _store(host: str, token: str) -> None:
        raise RuntimeError("no keyring here")

    def get(self, host: str) -> str:
        return self._session.get(host, "")


@pytest.fixture
def make(tmp_path: Path, hub: Hub) -> Iterator[Callable[[], Downloader]]:
    """Makes downloaders over the same data, as one start of the program after the other does."""
    made: list[Downloader] = []

    def build() -> Downloader:
        data = tmp_path / "data"
        downloader = Downloader(
            data / "downloads", lambda: data / "models", lambda: hub.address, tokens=NoTokens(), patience=PATIENCE
        )
        made.append(downloader)
        return downloader

    yield build
    for each in made:
        each.close()


@pytest.fixture
def downloader(make: Callable[[], Downloader]) -> Downloader:
    return make()
