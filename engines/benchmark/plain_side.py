"""The other side: what somebody would write who uses diffusers directly. One pipeline, one call, one save."""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.benchmark.easel_side import CallCount
from engines.benchmark.took import Loaded, Made, Took, mean_step
from engines.errors import UserError
from engines.family import Negative
from engines.interface import RunContext
from engines.pipeline.arguments import call_arguments
from engines.pipeline.keeping import plan_for
from engines.pipeline.video_arguments import video_arguments
from engines.plan import Placement
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.runtime import peak_memory
from engines.samplers import create_sampler
from engines.single_file.configs import config_folder
from engines.tokenizers import TOKENIZERS, load_bundled_tokenizer
from engines.types import GenerationRequest


class PlainSide:
    """Answers the questions of a benchmark with the pipeline that the family is made of, on the same device and dtype."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, itertools.count()
        self._pipe: Any = None
        self._record: ModelRecord | None = None
        self._config: dict[str, Any] = {}
        importlib.import_module("diffusers")

    def load(self, record: ModelRecord) -> Loaded:
        """`from_pretrained`, or `from_single_file`, to the device. The pipeline's class is imported before the clock runs."""
        family = REGISTRY.of(record)
        task = next(each for each in family.tasks if not each.needs_image and not each.needs_video)
        pipeline_class = getattr(importlib.import_module("diffusers"), family.pipelines[task])
        placement = plan_for(record, family, RunContext(staging=self._folder)).placement
        self._pipe = None
        started = Took.now()
        self._pipe = _read(pipeline_class, record, placement).to(placement.device)
        took = Took.now().since(started)
        self._pipe.set_progress_bar_config(disable=True)
        self._record, self._config = record, dict(self._pipe.scheduler.config)
        return Loaded(took, peak_memory())

    def script(self, request: GenerationRequest) -> dict[str, Any] | None:
        """What the plain script of `engines.benchmark.script` is given for the request; None where it cannot do it."""
        record = self._the_record
        if record.loader != "diffusers-folder" or request.task.makes_video:
            return None
        made = self._sampler(request)
        config = {key: value for key, value in dict(made.config).items() if _is_json(value)}
        name = next(each.__name__ for each in type(made).__mro__ if each.__module__.startswith("diffusers."))
        return {
            "folder": str(record.path),
            "pipeline": type(self._pipe).__name__,
            "sampler": [name, config],
            "call": {key: value for key, value in self._arguments(request).items() if _is_json(value)},
            "seed": request.seed,
        }

    def picture(self, request: GenerationRequest) -> Made:
        """Make the picture, with the same sampler as Easel's."""
        import torch

        self._pipe.scheduler = self._sampler(request)
        marks, decode = _after_each(self._pipe.scheduler, "step"), _Stretch(self._pipe)
        arguments = self._arguments(request)
        encoders = [part for name, part in self._pipe.components.items() if name.startswith("text_encoder") and part]
        calls = CallCount(encoders)
        started = Took.now()
        made = self._pipe(**arguments, generator=torch.Generator("cpu").manual_seed(request.seed))
        if hasattr(made, "images"):
            made.images[0].save(self._folder / f"plain-{next(self._numbers)}.png")
        whole = Took.now().since(started)
        return Made(whole, mean_step(marks), decode.end(), calls.end())

    def _sampler(self, request: GenerationRequest) -> Any:
        family = REGISTRY.of(self._the_record)
        config = {**self._config, **family.scheduler_facts}
        return create_sampler(request.sampler, request.scheduler, config, family.sampler_overrides)

    def _arguments(self, request: GenerationRequest) -> dict[str, Any]:
        family = REGISTRY.of(self._the_record)
        if request.task.makes_video:
            return video_arguments(self._pipe, family, request, RunContext(staging=self._folder)) | {
                "output_type": "np"
            }
        words = {"prompt": request.prompt}
        if family.text.negative is not Negative.NONE and family.guidance.guided(request.guidance):
            words["negative_prompt"] = request.negative_prompt or family.text.empty_negative
        known = inspect.signature(type(self._pipe).__call__).parameters
        words = {name: value for name, value in words.items() if name in known}
        return {**words, **call_arguments(self._pipe, family, request, ())}

    @property
    def _the_record(self) -> ModelRecord:
        assert self._record is not None, "load comes first"
        return self._record


def _read(pipeline_class: Any, record: ModelRecord, placement: Placement) -> Any:
    import torch

    dtype = getattr(torch, placement.dtype)
    if record.loader == "diffusers-folder":
        return pipeline_class.from_pretrained(record.path, local_files_only=True, use_safetensors=True, dtype=dtype)
    family = REGISTRY.of(record)
    kinds = family.single_file.tokenizers if family.single_file is not None else {}
    if not hasattr(pipeline_class, "from_single_file") or not set(kinds.values()) <= set(TOKENIZERS):
        raise UserError("benchmark-no-plain-way", model=record.title)
    tokenizers = {name: load_bundled_tokenizer(kind) for name, kind in kinds.items()}
    with config_folder(record, family) as folder:
        return pipeline_class.from_single_file(
            str(record.path), config=str(folder), local_files_only=True, dtype=dtype, **tokenizers
        )


def _after_each(owner: Any, name: str) -> list[Took]:
    """The times at which calls of a method end, as they come."""
    own: Callable[..., Any] = getattr(owner, name)
    marks: list[Took] = []

    @functools.wraps(own)  # pipelines inspect the signature
    def watched(*args: Any, **kwargs: Any) -> Any:
        result = own(*args, **kwargs)
        marks.append(Took.now())
        return result

    setattr(owner, name, watched)
    return marks


class _Stretch:
    """From the beginning of the decoder's call to the end of what makes a picture of its answer."""

    def __init__(self, pipe: Any) -> None:
        self._vae, self._processor = pipe.vae, getattr(pipe, "image_processor", None)
        own = self._vae.decode
        self._begun: list[Took] = []

        @functools.wraps(own)
        def decode(*args: Any, **kwargs: Any) -> Any:
            self._begun.append(Took.now())
            return own(*args, **kwargs)

        self._vae.decode = decode
        self._done = _after_each(self._processor, "postprocess") if self._processor is not None else []

    def end(self) -> Took | None:
        self._vae.__dict__.pop("decode", None)
        if self._processor is not None:
            self._processor.__dict__.pop("postprocess", None)
        return self._done[-1].since(self._begun[-1]) if self._done and self._begun else None


def _is_json(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float | bool)
