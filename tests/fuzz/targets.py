"""What strangers' bytes meet first. Each target takes any bytes and raises nothing but errors that a person can read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.names import slug
from app.presets.yaml_file import read_yaml
from app.redact import Identity, redact
from app.settings import SettingsStore
from engines import prompt
from engines.api import EaselError, families, read_metadata_of
from engines.identify import identify
from engines.media.infotext import parse_infotext

CORPUS = Path(__file__).with_name("corpus")  # a few inputs for each target, to begin from and to be replayed
KEYS = ("parameters", "easel", "prompt", "workflow", "Comment", "sui_image_params", "invokeai_metadata", "Description")
STEPS = 7

_folder = Path(tempfile.mkdtemp(prefix="easel-fuzz-"))


def words(data: bytes) -> None:
    """A prompt through every reader of prompts, and as a file's name."""
    text = data.decode("utf-8", "replace")
    plain, _networks = prompt.take_networks(text)
    prompt.plain_text(plain)
    for segment in prompt.segments(plain, STEPS):
        prompt.render_weights(prompt.parse_weights(segment.text))
    assert prompt.render_schedule(prompt.parse_schedule(plain)) is not None
    prompt.settle(text, 3, lambda _name: ["a", "b"])
    name = slug(text)
    assert name and "/" not in name and "\\" not in name and "\0" not in name and not name.startswith(".")


def infotext(data: bytes) -> None:
    """A1111's text: keys and values are texts, whatever stood there."""
    found = parse_infotext(data.decode("utf-8", "replace"))
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in found.items())


def picture(data: bytes) -> None:
    """A picture's bytes; then a good picture with these bytes as its words, under each key that programs use."""
    read_metadata_of(data)


def picture_words(data: bytes) -> None:
    """A good picture whose words are these bytes; the first byte chooses the key."""
    info = PngInfo()
    key = KEYS[data[0] % len(KEYS)] if data else KEYS[0]
    info.add_itxt(key, data[1:].decode("utf-8", "replace"))
    file = BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG", pnginfo=info)
    found = read_metadata_of(file.getvalue())
    assert all(isinstance(value, str) for value in found.settings.values())


def preset(data: bytes) -> None:
    """A preset's file."""
    read_yaml(_put("preset.yaml", data))


def settings(data: bytes) -> None:
    """The settings' file: broken ones give the defaults and are kept."""
    path = _put("settings.json", data)
    SettingsStore(path).load()
    for kept in path.parent.glob("settings.*.json"):
        kept.unlink()


def model(data: bytes) -> None:
    """A model's file; the first bytes say which reader gets it."""
    identify(_put("model.safetensors", data), families())


def report(data: bytes) -> None:
    """A line of a log: what must not be seen in it is not."""
    who = Identity(("wilhelmina",), ("/home/wilhelmina",), ("a heron of purple glass",))
    text = redact(f"{data.decode('utf-8', 'replace')} wilhelmina hf_abcdefghijklmnopqrst", who)
    assert "hf_abcdefghijklmnopqrst" not in text


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (words, infotext, picture, picture_words, preset, settings, model, report)
}


def feed(name: str, data: bytes) -> None:
    """Give the bytes to a target; errors with words are answers, all others are bugs."""
    with contextlib.suppress(EaselError):
        TARGETS[name](data)


def _put(name: str, data: bytes) -> Path:
    path = _folder / name
    path.write_bytes(data)
    return path
