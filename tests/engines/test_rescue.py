"""When numbers stop being numbers, or memory ends at the decoder: what is tried once, what is said, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.errors import ResourceError
from engines.interface import RunContext
from engines.media import read_metadata
from engines.pipeline.checkpoint import load_checkpoint
from engines.pipeline.rescue import in_float32, short_parts
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.types import Artifact, GenerationRequest

from .conftest import FAMILIES, SLOW, TINY

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]
EVERY_DAY = ("sd15", "flux")
CASES = [
    pytest.param(each, marks=() if each in EVERY_DAY else pytest.mark.long) for each in FAMILIES if each not in SLOW
]


@pytest.fixture
def engine() -> ResidentEngine:
    return ResidentEngine()


def load(engine: ResidentEngine, record: ModelRecord, ctx: RunContext, dtype: torch.dtype) -> Any:
    """The model as a graphics card would hold it: in 16 bits. Returns the engine behind the resident one."""
    engine.load(record, ctx)
    inner: Any = engine._engine  # pyright: ignore
    for part in modules(inner).values():
        part.to(dtype)
    inner.model.placement = replace(inner.model.placement, dtype=str(dtype).removeprefix("torch."))
    return inner


def modules(inner: Any) -> dict[str, torch.nn.Module]:
    return {name: part for name, part in inner.model.parts.items() if isinstance(part, torch.nn.Module)}


@contextmanager
def broken(part: torch.nn.Module, call: int = 1, always: bool = False) -> Iterator[list[int]]:
    """From its `call`th call on the part answers no numbers, in 16 bits or `always`; the list counts its calls."""
    calls = [0]

    def spoil(module: torch.nn.Module, _inputs: Any, output: Any) -> Any:
        calls[0] += 1
        short = next(module.parameters()).dtype != torch.float32
        return nan_like(output) if calls[0] >= call and (short or always) else output

    hook = part.register_forward_hook(spoil)
    try:
        yield calls
    finally:
        hook.remove()


def nan_like(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.full_like(value, torch.nan) if value.is_floating_point() else value
    if isinstance(value, list | tuple):
        return type(value)(nan_like(each) for each in value)
    if hasattr(value, "items"):
        for name, each in value.items():
            value[name] = nan_like(each)
    return value


def make(engine: ResidentEngine, request: GenerationRequest, ctx: RunContext) -> Artifact:
    return engine.generate(request, ctx).artifacts[-1]


@pytest.mark.parametrize("family_id", CASES)
def test_a_picture_that_breaks_in_16_bits_is_made_in_float32(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, family_id: str
) -> None:
    inner = load(engine, tiny_models[family_id], context(), torch.bfloat16)
    request = tiny_request(family_id, strength=1.0)
    with broken(inner.model.parts[TINY[family_id].denoiser], call=2):
        rescued = make(engine, request, context("rescued"))
    (note,) = [each for each in rescued.notes if "float32" in each]
    assert note.startswith("made in float32: in bfloat16 it was not a number any more after step ")
    record = read_metadata(rescued.path).record
    assert record["notes"] == list(rescued.notes)
    assert record["software"]["dtype"] == "float32"
    dtypes = {each.dtype for part in modules(inner).values() for each in part.parameters()}
    assert dtypes == {torch.bfloat16}, "the next picture is made as fast as ever"
    plain = make(engine, request, context("plain"))
    assert not [each for each in plain.notes if "float32" in each]
    assert read_metadata(plain.path).record["software"]["dtype"] == "bfloat16"


def test_words_that_break_in_16_bits_are_encoded_in_float32(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    inner = load(engine, tiny_models["sd15"], context(), torch.float16)
    with broken(inner.model.parts["text_encoder"]):
        artifact = make(engine, tiny_request("sd15"), context("rescued"))
    assert artifact.notes == ("made in float32: in float16 it was not a number any more after step 1",)
    again = make(engine, tiny_request("sd15"), context("again"))
    assert again.notes == (), "the broken words were not kept"


def test_float32_gives_the_picture_of_a_float32_model(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    """The rescue is no other picture than the one that a machine without 16 bits makes, as far as weights allow."""
    inner = load(engine, tiny_models["sd15"], context(), torch.bfloat16)
    with broken(inner.model.parts["unet"], call=3):
        rescued = make(engine, tiny_request("sd15"), context("rescued"))
    for part in modules(inner).values():
        part.to(torch.float32)
    inner.maker.addons.encodings.clear()
    plain = make(engine, tiny_request("sd15"), context("plain"))
    from PIL import Image

    with Image.open(rescued.path) as first, Image.open(plain.path) as second:
        assert first.tobytes() == second.tobytes()


def test_a_decoder_that_breaks_in_16_bits_runs_in_float32(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    inner = load(engine, tiny_models["sd15"], context(), torch.float16)
    with broken(inner.model.parts["vae"].decoder):
        artifact = make(engine, tiny_request("sd15"), context("rescued", preview_every=0))
    assert artifact.notes == ("decoded in float32: the first try was not a number",)
    assert read_metadata(artifact.path).record["notes"] == list(artifact.notes)
    assert inner.model.parts["vae"].dtype == torch.float16


@pytest.mark.parametrize(("part", "code"), [("unet", "latents-not-finite"), ("vae", "decode-not-finite")])
def test_what_float32_does_not_help_is_an_error(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, part: str, code: str
) -> None:
    inner = load(engine, tiny_models["sd15"], context(), torch.float16)
    broken_one = inner.model.parts[part]
    ctx = context("broken", preview_every=0, checkpoint_every=0)
    with (
        broken(getattr(broken_one, "decoder", broken_one), call=3 if part == "unet" else 1, always=True),
        pytest.raises(ResourceError) as caught,
    ):
        make(engine, tiny_request("sd15"), ctx)
    assert caught.value.code == code
    if part == "unet":
        assert caught.value.params["step"] >= 1
    assert make(engine, tiny_request("sd15"), context("after")).notes == ()


def test_a_float32_model_is_not_tried_twice(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context("run", checkpoint_every=0)
    engine.load(tiny_models["sd15"], ctx)
    unet = engine._engine.model.parts["unet"]  # pyright: ignore
    with broken(unet, call=2, always=True) as calls, pytest.raises(ResourceError) as caught:
        make(engine, tiny_request("sd15", steps=9), ctx)
    assert (caught.value.code, caught.value.params["step"]) == ("latents-not-finite", 2)
    assert calls == [2], "nothing is computed after the step that broke"
    assert ctx.checkpoint.is_file()
    assert all_numbers(ctx.checkpoint), "what is not a number is never kept"


def all_numbers(path: Path) -> bool:
    from safetensors.torch import load_file

    return all(bool(each.isfinite().all()) for each in load_file(path).values() if each.is_floating_point())


def test_no_memory_for_float32_leaves_the_first_error(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    inner = load(engine, tiny_models["sd15"], context(), torch.float16)

    def full(module: torch.nn.Module, _inputs: Any) -> None:
        if next(module.parameters()).dtype == torch.float32:
            raise torch.OutOfMemoryError("no memory for the test")

    hook = inner.model.parts["unet"].register_forward_pre_hook(full)
    with broken(inner.model.parts["unet"]), pytest.raises(ResourceError) as caught:
        make(engine, tiny_request("sd15"), context("run"))
    hook.remove()
    assert caught.value.code == "latents-not-finite"


def test_a_decode_without_memory_keeps_the_latents_and_goes_on_later(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context("full", preview_every=0)
    engine.load(tiny_models["sd15"], ctx)
    inner: Any = engine._engine  # pyright: ignore
    calls = [0]

    def full(*_arguments: Any, **_named: Any) -> None:
        raise torch.OutOfMemoryError("no memory for the test")

    # The class, not the one decoder: the walk down loads the model again.
    with pytest.MonkeyPatch.context() as patched, pytest.raises(ResourceError) as caught:
        patched.setattr(type(inner.model.parts["vae"].decoder), "forward", full)
        make(engine, tiny_request("sd15"), ctx)
    assert caught.value.code in ("decode-out-of-memory", "out-of-memory")
    engine.load(tiny_models["sd15"], ctx)
    inner = engine._engine
    kept = load_checkpoint(ctx.checkpoint, *key_of(ctx.checkpoint))
    assert kept is not None and kept.denoised
    counter = inner.model.parts["unet"].register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    later = make(engine, tiny_request("sd15"), ctx)
    counter.remove()
    assert calls == [0], "nothing is drawn again"
    assert later.path.read_bytes() == make(engine, tiny_request("sd15"), context("plain")).path.read_bytes()


def key_of(path: Path) -> tuple[str, int, str]:
    import json

    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        state = json.loads(file.metadata()["state"])
    return state["key"], state["image"], "cpu"


def test_packed_weights_are_not_asked_for_float32() -> None:
    class Packed(torch.nn.Parameter):
        pass

    part = torch.nn.Linear(2, 2).half()
    assert set(short_parts({"unet": part, "scheduler": {}})) == {"unet"}
    part.weight = Packed(part.weight.data)
    assert short_parts({"unet": part}) == {}


def test_weights_that_are_always_float32_stay_so() -> None:
    part = torch.nn.Sequential(torch.nn.Linear(2, 2).half(), torch.nn.LayerNorm(2))
    with in_float32({"part": part}):
        assert {each.dtype for each in part.parameters()} == {torch.float32}
    assert [each.dtype for each in part.parameters()] == [torch.float16] * 2 + [torch.float32] * 2
