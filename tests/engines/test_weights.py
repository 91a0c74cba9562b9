"""Weights that are read straight into a module are the very ones that the library's own loader reads."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.errors import Cancelled
from engines.layout import ALIGNMENT, channels_last
from engines.loaders import READ_DIRECTLY
from engines.registry import REGISTRY
from engines.tensor_reader import PIECE, TensorReader, Wanted
from engines.tiny import _text_encoder
from engines.weights import ENCODER_NAME, NAME, _stored, load_module

PARTS = [
    (family.id, name)
    for family in REGISTRY.all()
    for name, part in family.tiny.parts.items()
    if part.library == "diffusers" and not part.class_name.endswith(("Scheduler", "Guidance"))
]


def nothing() -> None:
    """No wish to stop."""


def in_half(family_id: str, name: str, folder: Path) -> tuple[Any, Path]:
    """A part's class, and a folder with a tiny one whose weights are in float16, as most models on a disk are."""
    family = REGISTRY.get(family_id)
    part = family.tiny.parts[name]
    module = importlib.import_module(family.part_modules.get(part.class_name, "diffusers"))
    kind = getattr(module, part.class_name)
    torch.manual_seed(3)
    kind(**part.config).half().save_pretrained(folder / name)
    return kind, folder / name


@pytest.mark.parametrize(("family_id", "name"), PARTS)
def test_the_same_numbers_as_the_library_s(tmp_path: Path, family_id: str, name: str) -> None:
    kind, folder = in_half(family_id, name, tmp_path)
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


ENCODERS = [
    (family.id, name)
    for family in REGISTRY.all()
    for name, part in family.tiny.parts.items()
    if part.class_name in READ_DIRECTLY
]


@pytest.mark.parametrize("old_names", [False, True])
@pytest.mark.parametrize(("family_id", "name"), ENCODERS)
def test_text_encoders_are_read_directly_and_say_the_same(
    tmp_path: Path, family_id: str, name: str, old_names: bool
) -> None:
    """From files with today's names, and from those of before, with a prefix and a tensor that the class computes."""
    import transformers

    kind = getattr(transformers, REGISTRY.get(family_id).tiny.parts[name].class_name)
    torch.manual_seed(3)
    _text_encoder(REGISTRY.get(family_id).tiny.parts[name]).half().save_pretrained(tmp_path)
    if old_names:
        file = tmp_path / ENCODER_NAME
        tensors = load_file(file)
        there = ("text_model.", "text_projection")
        plain = {name if name.startswith(there) else f"text_model.{name}": each for name, each in tensors.items()}
        save_file({**plain, "text_model.embeddings.position_ids": torch.arange(77)[None]}, file)
    ours = load_module(kind, tmp_path, torch.float32, "cpu", nothing)
    theirs = kind.from_pretrained(tmp_path, local_files_only=True, torch_dtype=torch.float32).eval()
    tokens = torch.tensor([[1, 5, 9, 2]])
    assert ours is not None and not ours.training
    with torch.inference_mode():
        assert torch.equal(ours(tokens)[0], theirs(tokens)[0])


@pytest.fixture
def decoder(tmp_path: Path) -> tuple[Any, Path]:
    return in_half("sd15", "vae", tmp_path)


def test_a_decoder_is_read_into_the_layout_that_it_gets_otherwise(decoder: tuple[Any, Path]) -> None:
    plain = load_module(*decoder, torch.float32, "cpu", nothing)
    ours = load_module(*decoder, torch.float32, "cpu", nothing, is_decoder=True).state_dict()
    wanted = channels_last(plain).state_dict()
    assert any(not each.is_contiguous() for each in wanted.values())
    for name, value in wanted.items():
        assert torch.equal(value, ours[name]) and value.stride() == ours[name].stride(), name


@pytest.mark.parametrize("together", [True, False])
def test_tensors_longer_than_a_piece_are_read_whole(tmp_path: Path, together: bool) -> None:
    """In pieces, at the file's own offsets, converted or not: the same numbers as the format's own reader gives."""
    torch.manual_seed(4)
    sizes = {"short": (7,), "long": (3, PIECE // 2 + 5), "none": (0, 4), "number": ()}
    tensors = {name: torch.randn(size).half() for name, size in sizes.items()}
    save_file(tensors, tmp_path / NAME)
    stored = _stored(tmp_path, NAME)
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    wanted = [Wanted(stored[name], dtype) for name in tensors for dtype in dtypes]
    with TensorReader(sum(each.size for each in wanted) if together else 0) as reader:
        read = [reader.read(each) for each in wanted]
    expected = [tensor.to(dtype) for tensor in tensors.values() for dtype in dtypes]
    for each, right in zip(read, expected, strict=True):
        assert each.dtype == right.dtype and torch.equal(each, right)
        assert each.data_ptr() % ALIGNMENT == 0 or not each.numel()
    assert len({each.untyped_storage().data_ptr() for each in read if each.numel()}) == (1 if together else 9)


def test_weights_that_may_be_replaced_one_by_one_have_places_of_their_own(decoder: tuple[Any, Path]) -> None:
    """Those in 16 bits become float32 when they break; in one piece the old ones would stay until the last."""
    places = {}
    for dtype in (torch.float32, torch.bfloat16):
        module = load_module(*decoder, dtype, "cpu", nothing)
        places[dtype] = {each.untyped_storage().data_ptr() for each in module.parameters()}
    assert len(places[torch.bfloat16]) == len(list(module.parameters()))
    if not torch.cuda.is_available():
        assert len(places[torch.float32]) == 1


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
    monkeypatch.setattr("engines.tensor_reader.fill", _cut(folder / NAME))
    with pytest.raises(ValueError, match="ends in the middle"):
        load_module(kind, folder, torch.float32, "cpu", nothing)


def _cut(path: Path) -> Callable[..., None]:
    from engines import tensor_reader

    original = tensor_reader.fill

    def fill(file: Any, target: torch.Tensor) -> None:
        with path.open("r+b") as whole:
            whole.truncate(1000)
        original(file, target)

    return fill
