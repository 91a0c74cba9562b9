"""Pickles become safetensors, or are refused in words; nothing of them runs, and none takes more than its size allows."""

from __future__ import annotations

import collections
import multiprocessing
import os
import pickle
import sys
import time
import types
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engines.conversion import Limits, convert
from engines.conversion.child import wanted, weights_of
from engines.errors import UserError
from engines.identify import Kind, identify
from engines.registry import REGISTRY

SMALL = Limits(memory=2**30, seconds=4, file=2**24)


def weights() -> dict[str, torch.Tensor]:
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}


def saved(path: Path, content: Any, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"epoch": 3, "state_dict": x}])
def test_weights_come_out_as_they_were(tmp_path: Path, legacy: bool, wrap: Callable[[Any], Any]) -> None:
    source = saved(tmp_path / "model.ckpt", wrap(weights()), legacy)
    before = source.read_bytes()
    made = convert(source, tmp_path / "model.safetensors")
    found = load_file(made.path)
    assert {name: each.dtype for name, each in found.items()} == {"a.weight": torch.float32, "a.bias": torch.float16}
    assert all(torch.equal(found[name], each) for name, each in weights().items())
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ckpt", "model.safetensors"]


class ModelCheckpoint:
    """As trainers leave theirs in a checkpoint."""


def test_what_trainers_leave_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelCheckpoint, "__module__", "pytorch_lightning.callbacks.model_checkpoint")
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks", ModelCheckpoint.__module__):
        stand_in: Any = types.ModuleType(name)
        stand_in.ModelCheckpoint = ModelCheckpoint
        monkeypatch.setitem(sys.modules, name, stand_in)
    rest = ModelCheckpoint()
    rest.__dict__["best"] = 1.5
    source = saved(tmp_path / "old.ckpt", {"callbacks": {"a": rest}, "state_dict": weights()})
    monkeypatch.undo()
    made = convert(source, tmp_path / "old.safetensors")
    assert made.left_out == ("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",)
    assert made.tensors == 2


def test_a_tied_weight_is_written_twice_and_a_converted_file_is_known(tmp_path: Path) -> None:
    shared = torch.ones(4, 4)
    made = convert(saved(tmp_path / "x.pt", {"a": shared, "b": shared.T}), tmp_path / "x.safetensors")
    assert set(load_file(made.path)) == {"a", "b"}
    assert identify(made.path, REGISTRY.all()).kind is not Kind.PICKLE


def test_an_embedding_gets_its_usual_name() -> None:
    words = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 768)}, "name": "style"}
    assert set(weights_of(words)) == {"emb_params"}


class Evil:
    """Makes a folder when it is opened by somebody careless."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_wants_code_is_refused_by_name(tmp_path: Path, legacy: bool) -> None:
    canary = tmp_path / "ran"
    source = saved(tmp_path / "evil.ckpt", {"state_dict": weights(), "more": Evil(canary)}, legacy)
    with pytest.raises(UserError) as caught:
        convert(source, tmp_path / "evil.safetensors")
    assert caught.value.code == "convert-wants-code"
    assert "mkdir" in str(caught.value.params["what"])
    assert not canary.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["evil.ckpt"]


def memory_bomb(path: Path) -> None:
    """bytearray(40 GB), which torch's loader allows, in some fifty bytes."""
    path.write_bytes(b"\x80\x02cbuiltins\nbytearray\n" + b"\x8a\x06" + (40 * 10**9).to_bytes(6, "little") + b"\x85R.")


def expanded_tensor(path: Path) -> None:
    """One number that says it is a tensor of 400 GB."""
    torch.save({"a": torch.ones(1).expand(10**11)}, path)


def time_bomb(path: Path) -> None:
    """A tuple of tuples as a key: each level doubles the time that its hash takes."""
    twice = (b"q" + bytes([level]) + b"0" + (b"h" + bytes([level])) * 2 + b"\x86" for level in range(64))
    nest = b")" + b"".join(twice)  # EMPTY_TUPLE, then BINPUT, POP, BINGET twice and TUPLE2, again and again
    path.write_bytes(b"\x80\x02}" + nest + b"K\x01s.")


def archive_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(50_000_000))


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (memory_bomb, ("convert-too-large", "convert-wants-code", "convert-failed")),
        (expanded_tensor, ("convert-too-large", "convert-failed")),
        (time_bomb, ("convert-too-slow", "convert-failed")),
        (archive_bomb, ("convert-bomb",)),
    ],
)
def test_bombs_end_within_their_limits(tmp_path: Path, make: Callable[[Path], None], codes: tuple[str, ...]) -> None:
    source = tmp_path / "bomb.ckpt"
    make(source)
    started = time.monotonic()
    # A process of its own: the system counts the largest child that a process ever had, and this one had others.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        code, largest = alone.submit(refused_by_conversion, source, tmp_path / "bomb.safetensors").result()
    assert code in codes
    assert largest < 3_000_000, "kB"
    assert time.monotonic() - started < 120
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.ckpt"]


def refused_by_conversion(source: Path, target: Path) -> tuple[str, int]:
    """The code of the refusal, and the most memory that the converting child had, in kB."""
    import resource

    with pytest.raises(UserError) as caught:
        convert(source, target, SMALL)
    return caught.value.code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (collections.OrderedDict(), "convert-no-weights"),
        ([1, 2, 3], "convert-no-weights"),
        ("words", "convert-no-weights"),
    ],
)
def test_no_weights_no_file(tmp_path: Path, content: Any, code: str) -> None:
    with pytest.raises(UserError) as caught:
        convert(saved(tmp_path / "x.ckpt", content), tmp_path / "x.safetensors")
    assert caught.value.code == code


def test_what_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    source = saved(tmp_path / "x.ckpt", weights())
    (tmp_path / "there.safetensors").write_bytes(b"somebody's")
    os.mkfifo(tmp_path / "pipe.ckpt")
    (tmp_path / "text.ckpt").write_text("<html>not found</html>")
    for given, target, code in (
        (source, "there.safetensors", "convert-exists"),
        (tmp_path / "pipe.ckpt", "p.safetensors", "model-not-a-file"),
        (tmp_path / "text.ckpt", "t.safetensors", "convert-not-a-pickle"),
        (tmp_path / "gone.ckpt", "g.safetensors", "model-unreadable"),
    ):
        with pytest.raises(UserError) as caught:
            convert(given, tmp_path / target)
        assert caught.value.code == code
    assert (tmp_path / "there.safetensors").read_bytes() == b"somebody's"


def test_a_cut_off_file_is_a_sentence(tmp_path: Path) -> None:
    source = saved(tmp_path / "x.ckpt", weights())
    os.truncate(source, source.stat().st_size // 2)
    with pytest.raises(UserError) as caught:
        convert(source, tmp_path / "x.safetensors")
    assert caught.value.code == "convert-failed"


def test_torch_still_says_what_a_pickle_wants(tmp_path: Path) -> None:
    """The words of torch's refusal are read; another torch may choose others."""
    source = tmp_path / "x.pt"
    source.write_bytes(pickle.dumps(Evil(tmp_path), protocol=2))
    with pytest.raises(pickle.UnpicklingError) as caught:
        torch.load(source, weights_only=True)
    assert wanted(str(caught.value)) == "posix.mkdir"
