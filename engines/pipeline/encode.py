"""Words to conditions through the pipeline's own `encode_prompt`, kept so that the same words are encoded once."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

from engines.family import EngineFamily, Negative
from engines.types import GenerationRequest

KEPT = (
    8  # prompts; one encoding is under 1 MB for CLIP and 4 MB for T5, and going back and forth between a few is common
)


class TextEncodings:
    """The conditions of the last prompts of one model, by pipeline argument."""

    def __init__(self, family: EngineFamily, device: str) -> None:
        self._family, self._device = family, device
        self._kept: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()

    def get(self, pipe: Any, request: GenerationRequest) -> dict[str, Any]:
        """The pipeline arguments that carry the request's words, made now or kept from before."""
        guided = self._family.guidance.guided(request.guidance)
        negative = (request.negative_prompt or self._family.text.empty_negative) if guided else ""
        if request.task in self._family.text.by_pipeline:
            return {"prompt": request.prompt, "negative_prompt": negative if guided else None}
        key = (request.prompt, negative, guided, request.clip_skip)
        if key not in self._kept:
            self._kept[key] = self._encode(pipe, request, guided, negative)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _encode(self, pipe: Any, request: GenerationRequest, guided: bool, negative: str) -> dict[str, Any]:
        rules = self._family.text
        together = {"do_classifier_free_guidance": guided, "negative_prompt": negative}
        extra = together if rules.negative is Negative.TOGETHER else {}
        found = self._call(pipe, request.prompt, {**extra, "clip_skip": request.clip_skip - 1 or None})
        if guided and rules.negative is Negative.APART:
            found |= {f"negative_{name}": value for name, value in self._call(pipe, negative, {}).items()}
        return found

    def _call(self, pipe: Any, prompt: str, extra: dict[str, Any]) -> dict[str, Any]:
        """What `encode_prompt` returns by name; of the arguments it gets those that it knows."""
        rules = self._family.text
        known = inspect.signature(pipe.encode_prompt).parameters
        further = dict.fromkeys(("prompt_2", "prompt_3"))  # None: the same words for every encoder
        wanted = {"device": self._device, "num_images_per_prompt": 1, **further, **rules.arguments, **extra}
        values = pipe.encode_prompt(prompt=prompt, **{name: value for name, value in wanted.items() if name in known})
        named = zip(rules.returns, values, strict=True)
        return {name: value for name, value in named if name and value is not None}


def cut_notes(pipe: Any, family: EngineFamily, request: GenerationRequest) -> tuple[str, ...]:
    """What the text encoder does not see, said aloud: the pipelines cut long prompts without a word."""
    tokenizer = getattr(pipe, family.text.tokenizer)
    # A mark for the start and one for the end, where the tokenizer's length is all that limits.
    room = family.text.tokens or tokenizer.model_max_length - 2
    texts = [("prompt", request.prompt)]
    if family.text.negative is not Negative.NONE:
        texts.append(("negative prompt", request.negative_prompt))
    notes = []
    for name, text in texts:
        tokens = len(tokenizer(text, truncation=False, add_special_tokens=False, verbose=False).input_ids)
        if tokens > room:
            notes.append(f"the {name} has {tokens} tokens; the model reads the first {room}")
    return tuple(notes)
