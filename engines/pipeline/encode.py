"""Words to conditions, kept so that the same words are encoded once: a new seed encodes nothing, nor does going back."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from engines.family import EngineFamily, Negative
from engines.pipeline.clip import ClipEncoder, Encoded
from engines.pipeline.embeddings import Embeddings
from engines.prompt import Segment, plain_text, segments, take_networks
from engines.types import GenerationRequest

KEPT = 64 * 2**20  # bytes: some 270 texts of CLIP, 16 of T5; a grid goes back and forth between a few


@dataclass(frozen=True)
class Turn:
    """The pipeline arguments that carry the words up to and with step `until` (from 1)."""

    until: int
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Conditions:
    """What the words of a request come to: one turn, or several for a prompt that changes over the steps."""

    turns: tuple[Turn, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with."""
        return self.turns[0].arguments


class TextEncodings:
    """The conditions of the last texts of one model. Prompt and negative prompt are kept apart where they are made apart."""

    def __init__(self, family: EngineFamily, device: str) -> None:
        self._family, self._rules, self._device = family, family.text, device
        self.embeddings = Embeddings()  # those that the words may name; put in before each picture
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def clear(self) -> None:
        """Forget everything: the text encoders are not what they were."""
        self._kept.clear()

    def get(self, pipe: Any, request: GenerationRequest) -> Conditions:
        """The conditions of the request's words, made now or kept from before."""
        guided = self._family.guidance.guided(request.guidance)
        prompt, negative = (take_networks(text)[0] for text in (request.prompt, request.negative_prompt))
        negative = (negative or self._rules.empty_negative) if guided else ""
        if self._rules.weights:
            return self._weighted(pipe, request, prompt, negative, guided)
        prompt, negative = plain_text(prompt)[0], plain_text(negative)[0]
        if request.task in self._rules.by_pipeline:
            return _still({"prompt": prompt, "negative_prompt": negative if guided else None})
        key = (prompt, negative if self._rules.negative is Negative.TOGETHER else None, guided, request.clip_skip)
        found = self._kept_or(key, lambda: self._encode(pipe, prompt, negative, guided, request.clip_skip))
        if guided and self._rules.negative is Negative.APART:
            apart = self._kept_or((negative,), lambda: self._call(pipe, negative, {}))
            found = found | {f"negative_{name}": value for name, value in apart.items()}
        return _still(found)

    def _weighted(self, pipe: Any, request: GenerationRequest, prompt: str, negative: str, guided: bool) -> Conditions:
        encoder = ClipEncoder(pipe, self._rules.readers, self._device, self.embeddings)
        turns = []
        for until, words, against in _turns(prompt, negative, request.steps_run):
            sides = [self._read(encoder, text, request) for text in ((words, against) if guided else (words,))]
            length = max(side.embeds.shape[1] for side in sides)
            sides = [encoder.lengthen(side, length, request.clip_skip) for side in sides]
            turns.append(Turn(until, _named(*sides)))
        return Conditions(tuple(turns))

    def _read(self, encoder: ClipEncoder, text: str, request: GenerationRequest) -> Encoded:
        key = (text, request.clip_skip, request.emphasis, self.embeddings.key)
        return self._kept_or(key, lambda: encoder.encode(text, request.clip_skip, request.emphasis))

    def _encode(self, pipe: Any, prompt: str, negative: str, guided: bool, clip_skip: int) -> dict[str, Any]:
        together = {"do_classifier_free_guidance": guided, "negative_prompt": negative}
        extra = together if self._rules.negative is Negative.TOGETHER else {}
        return self._call(pipe, prompt, {**extra, "clip_skip": clip_skip - 1 or None})

    def _call(self, pipe: Any, prompt: str, extra: dict[str, Any]) -> dict[str, Any]:
        """What `encode_prompt` returns by name; of the arguments it gets those that it knows."""
        known = inspect.signature(pipe.encode_prompt).parameters
        further = dict.fromkeys(("prompt_2", "prompt_3"))  # None: the same words for every encoder
        wanted = {"device": self._device, "num_images_per_prompt": 1, **further, **self._rules.arguments, **extra}
        values = pipe.encode_prompt(prompt=prompt, **{name: value for name, value in wanted.items() if name in known})
        named = zip(self._rules.returns, values, strict=True)
        return {name: value for name, value in named if name and value is not None}

    def _kept_or(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def text_notes(pipe: Any, family: EngineFamily, request: GenerationRequest) -> tuple[str, ...]:
    """What of the words the model does not take, said aloud: markup that it cannot follow, and what is too long."""
    if family.text.weights:
        return ()
    texts = [("prompt", request.prompt)]
    if family.text.negative is not Negative.NONE:
        texts.append(("negative prompt", request.negative_prompt))
    notes = []
    for name, text in texts:
        words, dropped = plain_text(take_networks(text)[0])
        if dropped:
            notes.append(f"{family.title} reads plain words; left out of the {name}: {', '.join(dropped)}")
        notes += _cut_note(pipe, family, name, words)
    return tuple(notes)


def _cut_note(pipe: Any, family: EngineFamily, name: str, words: str) -> list[str]:
    """The pipelines cut long prompts without a word."""
    tokenizer = getattr(pipe, family.text.tokenizer)
    # A mark for the start and one for the end, where the tokenizer's length is all that limits.
    room = family.text.tokens or tokenizer.model_max_length - 2
    tokens = len(tokenizer(words, truncation=False, add_special_tokens=False, verbose=False).input_ids)
    return [f"the {name} has {tokens} tokens; the model reads the first {room}"] if tokens > room else []


def _still(arguments: dict[str, Any]) -> Conditions:
    return Conditions((Turn(1, arguments),))


def _turns(prompt: str, negative: str, steps: int) -> list[tuple[int, str, str]]:
    """Last step, prompt and negative prompt of each stretch of steps in which neither changes."""
    words, against = segments(prompt, steps), segments(negative, steps)
    ends = sorted({each.until for each in (*words, *against)})
    return [(end, _at(words, end), _at(against, end)) for end in ends]


def _at(stretches: tuple[Segment, ...], step: int) -> str:
    return next(each.text for each in stretches if step <= each.until)


def _named(words: Encoded, against: Encoded | None = None) -> dict[str, Any]:
    values = {"prompt_embeds": words.embeds, "pooled_prompt_embeds": words.pooled}
    if against is not None:
        values |= {"negative_prompt_embeds": against.embeds, "negative_pooled_prompt_embeds": against.pooled}
    return {name: value for name, value in values.items() if value is not None}


def _size(value: Any) -> int:
    match value:
        case torch.Tensor():
            return value.nbytes
        case Encoded():
            return _size(value.embeds) + _size(value.pooled)
        case dict():
            return sum(map(_size, value.values()))
        case list() | tuple():
            return sum(map(_size, value))
        case _:
            return 0
