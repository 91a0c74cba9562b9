"""Long, weighted and changing prompts through the whole engine, against diffusers' own loop; nothing is encoded twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from PIL import Image

from engines.errors import UserError
from engines.interface import RunContext
from engines.records import ModelRecord
from engines.registry import REGISTRY, create_pipeline
from engines.resident import ResidentEngine
from engines.types import GenerationRequest, Progress, Stage, Task

WEIGHTED = [family.id for family in REGISTRY.all() if family.text.weights]
Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


@pytest.fixture
def make(engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts):
    count = iter(range(1000))

    def run(family_id: str, ctx: RunContext | None = None, **fields: object) -> bytes:
        ctx = ctx or context(f"run-{next(count)}")
        engine.load(tiny_models[family_id], ctx)
        path = engine.generate(tiny_request(family_id, **fields), ctx).artifacts[-1].path
        with Image.open(path) as picture:
            return picture.tobytes()

    return run


def parts_of(engine: ResidentEngine) -> dict[str, Any]:
    return engine._engine.model.parts  # pyright: ignore


@pytest.fixture
def encodings(engine: ResidentEngine, tiny_models: Models, context: Contexts) -> Iterator[list[str]]:
    """Grows by one with every text that the text encoder reads."""
    engine.load(tiny_models["sd15"], context("load"))
    engine._engine.maker.addons.encodings.clear()  # pyright: ignore
    read: list[str] = []
    hook = parts_of(engine)["text_encoder"].register_forward_hook(lambda *_: read.append("text"))
    yield read
    hook.remove()


def with_other_words_after(
    engine: ResidentEngine, request: GenerationRequest, first: str, second: Callable[[int], str]
) -> bytes:
    """Diffusers' own loop, its words changed by its own callback: after step i (from 1) come the words `second(i)`."""
    from engines.samplers import create_sampler

    family = engine._engine.family  # pyright: ignore
    parts = parts_of(engine)
    scheduler = create_sampler(request.sampler, request.scheduler, parts["scheduler"], family.sampler_overrides)
    pipe = create_pipeline(family, Task.TEXT_TO_IMAGE, {**parts, "scheduler": scheduler})
    pooled = "text_encoder_2" in parts
    names = ["prompt_embeds", *(["add_text_embeds"] if pooled else [])]

    def turn(_pipe: Any, step: int, _timestep: Any, _kept: Any) -> dict[str, torch.Tensor]:
        words, against, *both = pipe.encode_prompt(
            second(step + 1),
            device="cpu",
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt="",
        )
        made = [torch.cat([against, words]), *([torch.cat([both[1], both[0]])] if pooled else [])]
        return dict(zip(names, made, strict=True))

    with torch.inference_mode():
        image = pipe(
            first,
            negative_prompt="",
            width=64,
            height=64,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed),
            callback_on_step_end=turn,
            callback_on_step_end_tensor_inputs=names,
        ).images[0]
    return image.tobytes()


@pytest.mark.parametrize("family_id", WEIGHTED)
@pytest.mark.parametrize(
    ("prompt", "first", "second"),
    [
        ("a [cat:dog:2] here", "a cat here", lambda step: "a cat here" if step < 2 else "a dog here"),
        ("a [dog:0.5]", "a ", lambda step: "a " if step < 2 else "a dog"),
        ("a [cat|dog]", "a cat", lambda step: "a dog" if step % 2 else "a cat"),
    ],
)
def test_words_turn_at_the_right_step(
    engine: ResidentEngine,
    tiny_request: Requests,
    make: Callable[..., bytes],
    family_id: str,
    prompt: str,
    first: str,
    second: Callable[[int], str],
) -> None:
    made = make(family_id, prompt=prompt)
    assert made == with_other_words_after(engine, tiny_request(family_id), first, second)
    assert made != make(family_id, prompt=first)


def test_words_turn_by_steps_and_not_by_calls(engine: ResidentEngine, make: Callable[..., bytes]) -> None:
    """Heun asks the denoiser twice a step, and once in the last one."""
    make("sd15", prompt="a cat", sampler="Heun", scheduler="Normal", steps=1)
    texts: list[torch.Tensor] = []
    hook = parts_of(engine)["unet"].register_forward_hook(
        lambda _m, _a, kwargs, _o: texts.append(kwargs["encoder_hidden_states"][1]), with_kwargs=True
    )
    try:
        make("sd15", prompt="a [cat:dog:2]", sampler="Heun", scheduler="Normal")
    finally:
        hook.remove()
    assert [bool(torch.equal(each, texts[0])) for each in texts] == [True] * 4 + [False] * 3


class Stopped(Exception):
    """Stands for the death of the process."""


@pytest.mark.parametrize("prompt", ["a [cat|dog]", "apple " * 90 + "[cat:dog:0.5]"])
def test_a_changing_prompt_goes_on_to_the_same_bytes(
    make: Callable[..., bytes], context: Contexts, prompt: str
) -> None:
    whole = make("sd15", prompt=prompt)
    for stop in (1, 3):
        count = iter(range(100))

        def report(progress: Progress, count: Iterator[int] = count, stop: int = stop) -> None:
            if progress.stage is Stage.DENOISE and next(count) + 1 == stop:
                raise Stopped

        with pytest.raises(Stopped):
            make("sd15", context(f"stop-{stop}", on_progress=report, checkpoint_every=0.0), prompt=prompt)
        assert make("sd15", context(f"stop-{stop}", checkpoint_every=0.0), prompt=prompt) == whole


@pytest.mark.parametrize("family_id", WEIGHTED)
def test_a_long_prompt_is_read_to_its_end(make: Callable[..., bytes], family_id: str) -> None:
    long = "apple " * 80
    assert make(family_id, prompt=long + "cat") != make(family_id, prompt=long + "dog")
    assert make(family_id, prompt=long, negative_prompt="x") != make(family_id, prompt="x", negative_prompt=long)


def test_shares_of_steps_are_of_those_that_run(make: Callable[..., bytes]) -> None:
    shared = {"task": Task.IMAGE_TO_IMAGE, "steps": 8, "strength": 0.5}
    assert make("sd15", prompt="a [cat:dog:0.5]", **shared) == make("sd15", prompt="a [cat:dog:2]", **shared)
    assert make("sd15", prompt="a [cat:dog:0.5]", **shared) != make("sd15", prompt="a cat", **shared)


@pytest.mark.parametrize("family_id", WEIGHTED)
def test_clip_skip_changes_the_picture(make: Callable[..., bytes], family_id: str) -> None:
    assert make(family_id, clip_skip=2) != make(family_id)


def test_a_network_that_is_not_there_is_told_by_its_name(make: Callable[..., bytes]) -> None:
    with pytest.raises(UserError, match="film"):
        make("sd15", prompt="a cat<lora:film:0.8>")


def test_sixteen_seeds_encode_their_words_once(encodings: list[str], make: Callable[..., bytes]) -> None:
    make("sd15", prompt="a cat", negative_prompt="dull", count=16, steps=1)
    assert len(encodings) == 2
    for seed in (100, 101):
        make("sd15", prompt="a cat", negative_prompt="dull", steps=1, seed=seed)
    assert len(encodings) == 2


def test_a_new_prompt_does_not_encode_the_negative_one_again(encodings: list[str], make: Callable[..., bytes]) -> None:
    for prompt in ("a cat", "a dog", "a cat", "a dog"):
        make("sd15", prompt=prompt, negative_prompt="dull", steps=1)
    assert len(encodings) == 3
    make("sd15", prompt="a [cat|dog]", negative_prompt="dull", steps=4)
    assert len(encodings) == 3
    make("sd15", prompt="a cat", guidance=1.0, steps=1)
    assert len(encodings) == 3
