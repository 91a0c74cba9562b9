"""Weights that are read straight into a module are the very ones that the library's own loader reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.errors import Cancelled
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.weights import NAME, load_module

PARTS = [
    (family.id, name)
    for family in REGISTRY.all()
    for name, part in family.tiny.parts.items()
    if part.library == "diffusers" and "Scheduler" not in part.class_name
]


def nothing() -> None:
    """No wish to stop."""


def part_class(family_id: str, name: str) -> Any:
    import diffusers

    return getattr(diffusers, REGISTRY.get(family_id).tiny.parts[name].class_name)


def in_half(source: Path, target: Path) -> Path:
    """A copy of a part with its weights in float16, as most models on a disk are."""
    target.mkdir()
    (target / "config.json").write_bytes((source / "config.json").read_bytes())
    save_file({name: value.half() for name, value in load_file(source / NAME).items()}, target / NAME)
    return target


@pytest.mark.parametrize(("family_id", "name"), PARTS)
def test_the_same_numbers_as_the_library_s(
    tiny_models: dict[str, ModelRecord], tmp_path: Path, family_id: str, name: str
) -> None:
    kind = part_class(family_id, name)
    folder = in_half(tiny_models[family_id].path / name, tmp_path / name)
    for dtype in (torch.float32, torch.bfloat16):
        ours = load_module(kind, folder, dtype, "cpu", nothing)
        theirs = kind.from_pretrained(folder, local_files_only=True, torch_dtype=dtype).eval()
        assert ours is not None and not ours.training
        assert {key: (value.dtype, value.shape) for key, value in ours.state_dict().items()} == {
            key: (value.dtype, value.shape) for key, value in theirs.state_dict().items()
        }
        assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())
        for (key, ours_buffer), (_, theirs_buffer) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
            assert torch.equal(ours_buffer, theirs_buffer) and ours_buffer.dtype == theirs_buffer.dtype, key


@pytest.fixture
def decoder(tiny_models: dict[str, ModelRecord], tmp_path: Path) -> tuple[Any, Path]:
    return part_class("sd15", "vae"), in_half(tiny_models["sd15"].path / "vae", tmp_path / "vae")


def test_weights_in_several_files_are_one_module(decoder: tuple[Any, Path]) -> None:
    kind, folder = decoder
    whole = load_module(kind, folder, torch.float32, "cpu", nothing)
    tensors = load_file(folder / NAME)
    names = sorted(tensors)
    files = {f"part-{number}.safetensors": names[number::2] for number in range(2)}
    for file, chosen in files.items():
        save_file({name: tensors[name] for name in chosen}, folder / file)
    (folder / NAME).unlink()
    index = {"weight_map": {name: file for file, chosen in files.items() for name in chosen}}
    (folder / f"{NAME}.index.json").write_text(json.dumps(index))
    again = load_module(kind, folder, torch.float32, "cpu", nothing)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in whole.state_dict().items())


def test_other_names_are_left_to_the_library(decoder: tuple[Any, Path]) -> None:
    kind, folder = decoder
    tensors = load_file(folder / NAME)
    first = next(iter(tensors))
    save_file({f"{name}.old" if name == first else name: value for name, value in tensors.items()}, folder / NAME)
    assert load_module(kind, folder, torch.float32, "cpu", nothing) is None


def test_stop_is_seen_between_tensors(decoder: tuple[Any, Path]) -> None:
    calls = iter(range(10))

    def check() -> None:
        if next(calls) == 3:
            raise Cancelled()

    with pytest.raises(Cancelled):
        load_module(*decoder, torch.float32, "cpu", check)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(
    decoder: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, folder = decoder
    monkeypatch.setattr("engines.weights._fill", _cut(folder / NAME))
    with pytest.raises(ValueError, match="ends in the middle"):
        load_module(kind, folder, torch.float32, "cpu", nothing)


def _cut(path: Path) -> Callable[..., None]:
    from engines import weights

    original = weights._fill

    def fill(file: Any, target: torch.Tensor) -> None:
        with path.open("r+b") as whole:
            whole.truncate(1000)
        original(file, target)

    return fill
