"""The pipelines of one loaded model: one a task, built when it is first wanted, given a new sampler for each run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engines.pipeline.keeping import prepare_pipeline
from engines.pipeline.loaded import LoadedModel
from engines.registry import create_pipeline
from engines.samplers import create_sampler, seed_sampler
from engines.types import GenerationRequest, Task


class Pipelines:
    """diffusers' pipelines around the parts of `model`; they share them, and nothing is copied."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._built: dict[Task, Any] = {}

    def all(self) -> Iterable[Any]:
        """Those that were built."""
        return self._built.values()

    def get(self, request: GenerationRequest, seed: int) -> Any:
        """The pipeline of the request's task, its sampler at the beginning."""
        scheduler = self.scheduler(request, seed)
        if request.task not in self._built:
            components = {**self._model.parts, "scheduler": scheduler}
            pipe = create_pipeline(self._model.family, request.task, components)
            pipe.set_progress_bar_config(disable=True)
            if request.task is Task.VIDEO_TO_VIDEO:
                _begin_where_it_is_cut(pipe)
            self._built[request.task] = prepare_pipeline(pipe, self._model.placement)
        pipe = self._built[request.task]
        pipe.scheduler = scheduler
        return pipe

    def scheduler(self, request: GenerationRequest, seed: int) -> Any:
        """The request's sampler; one that draws noise of its own draws it from `seed`."""
        family, config = self._model.family, self._model.parts["scheduler"]
        if family.scheduler_facts.get("prediction_type") != config.get("prediction_type"):
            config = {**config, **family.scheduler_facts}  # it stands in for one that the file did not hold
        scheduler = create_sampler(request.sampler, request.scheduler, config, family.sampler_overrides)
        seed_sampler(scheduler, seed)
        return scheduler


def _begin_where_it_is_cut(pipe: Any) -> None:
    """Tell the sampler which step is the first one that is left: the strength leaves out those before.

    diffusers' pipelines for videos do not, and a sampler that begins at its first level then puts the noise of that level on
    the video, of which nothing is left to see.
    """
    cut = pipe.get_timesteps

    def get_timesteps(num_inference_steps: int, timesteps: Any, strength: float, device: Any) -> Any:
        left, count = cut(num_inference_steps, timesteps, strength, device)
        if hasattr(pipe.scheduler, "set_begin_index"):
            pipe.scheduler.set_begin_index(len(timesteps) - len(left))
        return left, count

    pipe.get_timesteps = get_timesteps
