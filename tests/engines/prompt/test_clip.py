"""Conditions of CLIP families: the pipelines' own numbers where they can make them, a plain reckoning where they cannot."""

from __future__ import annotations

import pytest
import torch

from engines.loaders import load_model
from engines.pipeline.clip import ClipEncoder, weighted
from engines.placement import Placement
from engines.records import ModelRecord
from engines.registry import REGISTRY, create_pipeline
from engines.types import Emphasis, Task

WEIGHTED = [family.id for family in REGISTRY.all() if family.text.weights]


@pytest.fixture(scope="module", params=WEIGHTED)
def pipe(request: pytest.FixtureRequest, tiny_models: dict[str, ModelRecord]):
    family = REGISTRY.get(request.param)
    record = tiny_models[family.id]
    parts = load_model(record.loader, record, family, Placement("cpu", "float32"))
    from engines.samplers import create_sampler

    parts["scheduler"] = create_sampler("Euler", "Normal", parts["scheduler"], {})
    made = create_pipeline(family, Task.TEXT_TO_IMAGE, parts)
    made.clips = family.text.readers
    return made


@pytest.fixture(scope="module")
def encoder(pipe) -> ClipEncoder:
    return ClipEncoder(pipe, pipe.clips, "cpu")


def by_pipeline(pipe, prompt: str) -> list[torch.Tensor]:
    """What the pipeline's own `encode_prompt` gives for the prompt: embeds and, where there are any, pooled ones."""
    values = pipe.encode_prompt(prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    return [value for value in values if value is not None]


@torch.inference_mode()
@pytest.mark.parametrize("text", ["", "a red apple", "Ünïcode & emoji 🍎, twice", "apple " * 75])
def test_plain_words_are_the_pipelines_very_numbers(pipe, encoder: ClipEncoder, text: str) -> None:
    made = encoder.encode(text)
    embeds, *pooled = by_pipeline(pipe, text)
    assert torch.equal(made.embeds, embeds)
    assert made.pooled is None if not pooled else torch.equal(made.pooled, pooled[0])


@torch.inference_mode()
def test_a_long_prompt_is_its_chunks_side_by_side(pipe, encoder: ClipEncoder) -> None:
    made = encoder.encode("apple " * 75 + "house " * 5)
    first, second = by_pipeline(pipe, "apple " * 75), by_pipeline(pipe, "house " * 5)
    assert torch.equal(made.embeds, torch.cat([first[0], second[0]], dim=1))
    assert made.pooled is None or torch.equal(made.pooled, first[1])


@torch.inference_mode()
def test_break_ends_a_chunk(pipe, encoder: ClipEncoder) -> None:
    made = encoder.encode("apple BREAK house")
    parts = [by_pipeline(pipe, "apple")[0], by_pipeline(pipe, "house")[0]]
    assert torch.equal(made.embeds, torch.cat(parts, dim=1))


@torch.inference_mode()
@pytest.mark.parametrize("emphasis", [Emphasis.ORIGINAL, Emphasis.NO_NORM])
def test_weights_multiply_what_the_encoder_says_of_a_word(pipe, encoder: ClipEncoder, emphasis: Emphasis) -> None:
    """Reckoned per encoder, as A1111 does: the mean that is kept is each encoder's own."""
    made = encoder.encode("red (apple:1.5) [house]", emphasis=emphasis)
    plain = encoder.encode("red apple house")
    tokenizer = pipe.tokenizer
    counts = [len(tokenizer(word, add_special_tokens=False).input_ids) for word in ("red", "apple", "house")]
    weights = torch.ones(77)
    start = 1
    for count, weight in zip(counts, (1.0, 1.5, 1 / 1.1), strict=True):
        weights[start : start + count] = weight
        start += count
    expected, begin = [], 0
    for clip in pipe.clips:
        width = getattr(pipe, clip.encoder).config.hidden_size
        side = plain.embeds[:, :, begin : begin + width]
        begin += width
        new = side * weights[None, :, None]
        expected.append(new * side.mean() / new.mean() if emphasis is Emphasis.ORIGINAL else new)
    assert torch.allclose(made.embeds, torch.cat(expected, dim=-1), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(made.embeds, plain.embeds, atol=1e-3)


@torch.inference_mode()
def test_without_emphasis_brackets_are_text(pipe, encoder: ClipEncoder) -> None:
    made = encoder.encode("a (red:1.5) apple", emphasis=Emphasis.NONE)
    assert torch.equal(made.embeds, by_pipeline(pipe, "a (red:1.5) apple")[0])


@torch.inference_mode()
def test_clip_skip_takes_an_earlier_layer(pipe, encoder: ClipEncoder) -> None:
    made = encoder.encode("a red apple", clip_skip=2).embeds
    sides = []
    for clip in pipe.clips:
        tokenizer, text_encoder = getattr(pipe, clip.tokenizer), getattr(pipe, clip.encoder)
        ids = tokenizer("a red apple", padding="max_length", max_length=77, return_tensors="pt").input_ids
        hidden = text_encoder(ids, output_hidden_states=True).hidden_states
        sides.append(text_encoder.final_layer_norm(hidden[-2]) if clip.layer == 1 else hidden[-3])
    assert torch.equal(made, torch.cat(sides, dim=-1))
    assert not torch.equal(made, encoder.encode("a red apple").embeds)


@torch.inference_mode()
def test_the_shorter_text_is_lengthened_with_chunks_of_no_words(pipe, encoder: ClipEncoder) -> None:
    short = encoder.encode("apple")
    made = encoder.lengthen(short, 231)
    empty = by_pipeline(pipe, "")[0]
    assert torch.equal(made.embeds, torch.cat([short.embeds, empty, empty], dim=1))
    assert encoder.lengthen(made, 77) is made


def test_a_mean_of_nothing_is_left_alone() -> None:
    embeds = torch.tensor([[[1.0, -1.0], [2.0, -2.0]]])
    assert torch.equal(weighted(embeds, torch.tensor([2.0, 1.0]), Emphasis.ORIGINAL)[0, 0], torch.tensor([2.0, -2.0]))
