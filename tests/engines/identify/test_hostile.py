"""Files that lie, are damaged, or are something else: told so in our own words, quickly, and nothing in them ever runs."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from engines.errors import EaselError
from engines.header import read_header
from engines.identify import Identified, Kind, identify, read_weights_header
from engines.registry import REGISTRY
from tests.engines.identify.damage import damaged_gguf, damaged_safetensors
from tests.engines.identify.headers import gguf_bytes, header_bytes, write_safetensors

FAMILIES = REGISTRY.all()
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>401</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 4265146304\n"


def told(path: Path) -> Identified:
    return identify(path, FAMILIES)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def lying(length: int, data: bytes = b"{}", room: int = 0) -> bytes:
    return struct.pack("<Q", length) + data + bytes(room)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PAGE, "web page"),
        (b"\xef\xbb\xbf\n  " + PAGE, "web page"),
        (POINTER, "LFS pointer"),
        (b"", "empty"),
        (bytes(5000), "zeros"),
        (b'{"error":"Repository not found"}', "error message"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "does not begin as any model"),
        (b"just text", "does not begin as any model"),
    ],
)
def test_what_is_no_model_is_nobodys(data: bytes, words: str, tmp_path: Path) -> None:
    found = told(put(tmp_path / "model.safetensors", data))
    assert (found.kind, found.problem) == (Kind.OTHER, None)
    assert words in " ".join(found.reasons)


ONE = header_bytes({"a": ("F32", [4])})[0][8:]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lying(0), "its header 0"),
        (lying(1), "its header 1"),
        (lying(2**64 - 1), "limit"),
        (lying(17 << 20), "limit"),
        (lying(5000), "the whole file has 10"),
        (lying(len(ONE), ONE), "cut off: 16 bytes"),
        (lying(len(ONE), ONE, 15), "cut off: 1 bytes"),
        (lying(len(ONE), ONE, 17), "1 bytes more"),
        (lying(3, b"{,}"), "property name"),
        (lying(46, b'{"a":{"dtype":"F32","shape":[NaN],"data_offset'), "NaN"),
    ],
)
def test_a_damaged_file_is_ours_and_broken(data: bytes, words: str, tmp_path: Path) -> None:
    found = told(put(tmp_path / "x", data))
    assert found.kind is Kind.UNKNOWN
    assert found.problem is not None
    assert found.problem.code == "model-file-broken"
    assert words in found.problem.cause


def entries(**tensors: object) -> bytes:
    data = json.dumps(tensors).encode()
    return lying(len(data), data, 64)


@pytest.mark.parametrize(
    "data",
    [
        entries(a={"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}),
        entries(a={"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}),
        entries(a={"dtype": "F33", "shape": [2], "data_offsets": [0, 8]}),
        entries(a={"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}),
        entries(a={"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}),
        entries(a={"dtype": "F32", "shape": [2**40] * 9, "data_offsets": [0, 8]}),
        entries(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "more": 1}),
        entries(a=[1, 2]),
        entries(__metadata__={"a": 1}),
        lying(90, b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32"}}'.ljust(90), 4),
    ],
)
def test_headers_that_do_not_add_up(data: bytes, tmp_path: Path) -> None:
    found = told(put(tmp_path / "x", data))
    assert found.problem is not None
    assert found.problem.code == "model-file-broken"


def test_a_header_of_the_largest_size_is_refused_or_read_in_time(tmp_path: Path) -> None:
    limit = 16 << 20
    many = b"{" + b",".join(b'"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(65_536)) + b"}"
    for data in (
        b"{" + b" " * (limit - 2) + b"}",
        (b"{" + b'"a":{},' * (limit // 7))[:limit],
        b"[" * limit,
        b'{"a":' * (limit // 5) + b" ",
        b'{"__metadata__":{"a":"' + b"\\u0041" * (limit // 6 - 10) + b'"}}',
        (b'{"a":[' + b"1," * (limit // 2))[:limit],
        many,
    ):
        started = time.process_time()
        told(put(tmp_path / "x", lying(len(data), data, 8)))
        assert time.process_time() - started < 10.0, data[:20]  # without limits: 53 s and more


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def test_pickles_are_refused_under_any_name_and_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    for name in ("a.ckpt", "b.safetensors", "c.gguf"):
        path = put(tmp_path / name, pickle.dumps(Canary(canary)))
        found = told(path)
        assert (found.kind, found.problem and found.problem.code) == (Kind.PICKLE, "model-pickle")
        with pytest.raises(EaselError):
            read_weights_header(path)
    archive = tmp_path / "d.safetensors"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:  # inflates 1000 times; nobody inflates it
        file.writestr("archive/data.pkl", bytes(20_000_000))
    assert told(archive).kind is Kind.PICKLE
    assert not canary.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes and devices in folders")
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    (tmp_path / "loop.safetensors").symlink_to(tmp_path / "loop.safetensors")
    for name in ("pipe.safetensors", "zero.safetensors", "loop.safetensors", "nothing.safetensors"):
        started = time.process_time()
        found = told(tmp_path / name)
        assert found.problem is not None
        assert found.kind in (Kind.OTHER, Kind.UNKNOWN)
        assert time.process_time() - started < 1


def test_a_folders_code_is_neither_read_nor_run(tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    code = f"import os\nos.mkdir({str(canary)!r})\n"
    for name in ("pipeline.py", "__init__.py", "unet/modeling.py", "conftest.py"):
        (folder / name).write_text(code)
    index = {
        "_class_name": ["pipeline", "Evil"],
        "unet": ["modeling", "Evil"],
        "auto_map": {"AutoModel": "modeling.Evil"},
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    assert told(folder).problem is not None
    index["_class_name"] = "StableDiffusionPipeline"  # pyright: ignore
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Evil"}}))
    write_safetensors(folder / "unet" / "model.safetensors", {"a": ("F32", [1])})
    assert told(folder).kind is Kind.FOLDER
    assert read_header(folder).parts == {"unet": "Evil"}
    assert not canary.exists()


def test_a_cut_off_shard_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    parts = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", **parts}))
    for part in parts:
        path = write_safetensors(folder / part / "model.safetensors", {"a": ("F32", [8])})
        (folder / part / "config.json").write_text("{}")
    assert told(folder).problem is None
    os.truncate(path, path.stat().st_size - 1)
    found = told(folder)
    assert found.problem is not None
    assert "1 bytes are missing" in found.problem.cause


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GGUF", "middle"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**40, 0), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**40), "claims"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**50), "claims"),
        (gguf_bytes({}, {"general.alignment": 3})[0], "alignment"),
        (gguf_bytes({}, {"general.alignment": 0})[0], "alignment"),
        (gguf_bytes({"a": ("F32", [8])})[0], "cut off"),
    ],
)
def test_a_lying_gguf_is_broken(data: bytes, words: str, tmp_path: Path) -> None:
    found = told(put(tmp_path / "x", data))
    assert found.problem is not None
    assert words in found.problem.cause


def test_a_gguf_that_hangs_the_usual_reader(tmp_path: Path) -> None:
    """A list of 100,000 empty lists of words, and one that claims a trillion: both end at once."""
    key = struct.pack("<Q", 1) + b"a"
    nested = key + struct.pack("<IIQ", 9, 9, 100_000) + struct.pack("<IQ", 8, 0) * 100_000
    endless = key + struct.pack("<IIQ", 9, 8, 10**12)
    for keys in (nested, endless):
        started = time.process_time()
        found = told(put(tmp_path / "x", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + keys))
        assert found.problem is not None
        assert time.process_time() - started < 5.0  # without limits: over 30 s


def all_told(files: Iterable[bytes], path: Path) -> float:
    """Identify each; returns the longest time in seconds. Any error that is not ours would end the test."""
    slowest = 0.0
    for data in files:
        path.write_bytes(data)
        started = time.process_time()
        found = told(path)
        slowest = max(slowest, time.process_time() - started)
        if found.problem is not None:
            assert found.problem.title
            assert found.problem.fixes
        json.dumps(found.as_json()).encode()
    return slowest


def test_fuzz_a_little(tmp_path: Path) -> None:
    assert all_told(damaged_safetensors(1, 1500), tmp_path / "x") < 1.0
    assert all_told(damaged_gguf(1, 500), tmp_path / "x") < 1.0


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_fuzz_100_000_safetensors_headers(tmp_path: Path) -> None:
    assert all_told(damaged_safetensors(2, 100_000), tmp_path / "x") < 1.0


@pytest.mark.long
def test_fuzz_20_000_gguf_headers(tmp_path: Path) -> None:
    assert all_told(damaged_gguf(2, 20_000), tmp_path / "x") < 1.0
