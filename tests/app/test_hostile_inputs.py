"""What strangers give: pictures, words in them, presets, sticks and folders. Each ends in a sentence, none hangs or leads out."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.exchange import export_models, import_models
from app.inputs import InputStore
from app.library import recognise
from app.library.index import ModelIndex
from app.library.shelf import scan_roots
from app.names import slug
from app.presets.yaml_file import read_yaml
from app.settings import Settings, SettingsStore
from engines.api import EaselError, Kind, ModelRecord, UserError, open_image, read_metadata

pytestmark = pytest.mark.timeout(120)
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes and devices in folders")
DEEP = "[" * 200_000
OBJECTS = '{"a":' * 100_000


# --- pictures and what stands in them


@UNIX
@pytest.mark.parametrize("how", ["pipe", "device", "folder", "circle", "socket"])
def test_no_picture_is_read_from_what_is_no_file(tmp_path: Path, how: str) -> None:
    path = odd(tmp_path / "picture.png", how)
    for read in (open_image, read_metadata, lambda each: InputStore(tmp_path / "kept").keep(str(each), "init_image")):
        with pytest.raises(UserError):
            read(path)


def odd(path: Path, how: str) -> Path:
    """Something in the file system that is no plain file."""
    match how:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "socket":
            import socket

            with socket.socket(socket.AF_UNIX) as listening:
                here = Path.cwd()
                os.chdir(path.parent)  # such a name can have a hundred bytes
                try:
                    listening.bind(path.name)
                finally:
                    os.chdir(here)
        case _:
            path.symlink_to(path)
    return path


@UNIX
def test_a_pipe_beside_a_picture_is_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "a.json").symlink_to("/dev/zero")
    assert read_metadata(tmp_path / "a.png").kind == "unknown"


@pytest.mark.parametrize(
    "key", ["easel", "parameters", "prompt", "workflow", "Comment", "sui_image_params", "invokeai_metadata"]
)
@pytest.mark.parametrize(
    "text", [DEEP, OBJECTS, '{"a": NaN, "b": 1e999999}', "\0" * 1000, "\ud800", "Steps: " + "9" * 100_000]
)
def test_hostile_words_in_a_picture_are_only_words(tmp_path: Path, key: str, text: str) -> None:
    path = tmp_path / "a.png"
    info = PngInfo()
    info.add_itxt(key, text.encode("utf-8", "replace").decode())
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    found = read_metadata(path)
    assert found.request is None
    assert all(isinstance(value, str) for value in found.settings.values())


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_words_that_unpack_to_gigabytes_are_refused_or_left(tmp_path: Path) -> None:
    """A chunk of packed text that inflates a thousand times."""
    whole = Image.new("RGB", (8, 8))
    whole.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 200_000_000, 9))
    (tmp_path / "b.png").write_bytes(data[:33] + bomb + data[33:])
    try:
        found = read_metadata(tmp_path / "b.png")
    except UserError as error:
        assert error.code == "file-not-a-picture"
    else:
        assert len(found.raw) < 10_000_000


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    for suffix in ("gif", "webp", "png"):
        frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:] * 50)
        red, _green, blue = open_image(path).getpixel((4, 4))  # pyright: ignore
        assert red > 200 and blue < 60, suffix


def test_an_animation_that_says_it_is_huge_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    Image.new("P", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 65_000, 65_000)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError) as caught:
        open_image(path)
    assert caught.value.code == "init-image-too-large"


# --- presets and settings


@UNIX
@pytest.mark.parametrize("how", ["pipe", "device", "folder", "circle"])
def test_no_preset_is_read_from_what_is_no_file(tmp_path: Path, how: str) -> None:
    with pytest.raises(UserError) as caught:
        read_yaml(odd(tmp_path / "a.yaml", how))
    assert caught.value.code == "preset-broken"


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: !!python/object/apply:os.system ['true']",
        "a: !!binary aGk=",
        "<<: {a: 1}\na: &x 1\nb: *x",
        DEEP[:60_000],
        "{a: " * 12_000,
        "? " * 20_000,
        "a: 1\n" * 30_000,
        "a: " + "9" * 60_000,
        "a: 1\na: 2",
        "- a\n- b",
        "\ufeff",
        "a: \x07",
    ],
)
def test_a_hostile_preset_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        found = read_yaml(path)
    except UserError as error:
        assert error.code == "preset-broken"
    else:
        assert all(isinstance(each, str | int | float | bool | None) for each in found.values()), found


@pytest.mark.parametrize(
    "text", ["", "{", DEEP, OBJECTS, "[]", '{"schema_version": "x"}', '{"schema_version": 1e999}', "\0"]
)
def test_broken_settings_are_kept_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    store = SettingsStore(path)
    assert store.load() == Settings()
    store.change(log_prompts=True)
    kept = [each for each in tmp_path.iterdir() if each.name != "settings.json" and each.read_text() == text]
    assert kept, "what stood there is still somewhere"


# --- folders and sticks


@UNIX
def test_a_folder_full_of_traps_is_looked_through(tmp_path: Path) -> None:
    """Pipes and devices under every name that programs look for, links in a circle and out of the folder."""
    folder = tmp_path / "models"
    (folder / "sd" / "unet").mkdir(parents=True)
    names = ("model_index.json", "config.json", "easel.json", "styles.csv", "extra_model_paths.yaml", "invokeai.yaml")
    for name in (*names, "a.safetensors", "b.gguf", "c.ckpt", "a.json", "a.civitai.info", "a.sha256", "config.txt"):
        os.mkfifo(folder / name)
        os.mkfifo(folder / "sd" / name)
    (folder / "zero.safetensors").symlink_to("/dev/zero")
    (folder / "again").symlink_to(folder)
    (folder / "sd" / "unet" / "up").symlink_to(folder)
    found = scan_roots((recognise(folder),), ModelIndex(tmp_path / "index.sqlite3", "test"))
    assert all(file.identified.problem is not None or file.identified.kind is Kind.OTHER for file in found)


@UNIX
def test_a_stick_full_of_traps_is_a_sentence(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    (stick / "unet").mkdir(parents=True)
    (stick / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for name in ("one", "two"):
        (stick / "unet" / name).symlink_to(stick)  # circles: two of them are 2^40 ways
    os.mkfifo(stick / "unet" / "pipe.safetensors")
    places = import_models(stick, tmp_path / "models")
    assert [path.name for path in places[0].rglob("*") if path.is_file()] == ["model_index.json"]


@UNIX
def test_a_stick_with_a_pipe_in_its_list_is_a_sentence(tmp_path: Path) -> None:
    stick, models = tmp_path / "stick", tmp_path / "models"
    model = tmp_path / "tiny.safetensors"
    model.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    export_models([ModelRecord("tiny", "Tiny", "", model, "", 0)], stick)
    (exported,) = stick.rglob("tiny.safetensors/tiny.safetensors")
    exported.unlink()
    os.mkfifo(exported)
    with pytest.raises(EaselError) as caught:
        import_models(stick, models)
    assert caught.value.code == "import-incomplete"
    assert not [path for path in models.rglob("*") if path.is_file()]


# --- names


@pytest.mark.parametrize(
    "prompt",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\Windows\\x",
        "con",
        "NUL.txt",
        "a\0b",
        "‮gnp.exe",
        "." * 300,
        "~",
        "$(reboot)",
        "-rf",
        " ",
    ],
)
def test_a_prompt_as_a_name_stays_a_name(prompt: str) -> None:
    name = slug(prompt)
    assert "/" not in name
    assert "\0" not in name and "\\" not in name and not name.startswith((".", "-", "~"))
    assert len(name.encode()) < 200
