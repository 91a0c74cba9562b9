"""What assistants can do: few tools, which take no files and no addresses, so that nothing is fetched or opened for them."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.inputs import PREFIX
from app.jobs import Cancelled, Failed, Interrupted, Job
from app.logs import keep_out
from app.resolve import resolve
from app.services import Services
from engines.api import EaselError, Task, UserError, family_of

MADE = "easel-job"  # marks an answer that pictures belong to

Finished = Callable[[Job], Awaitable[Job]]
Tool = Callable[..., Awaitable[str]]


class Tools:
    """What assistants can do. Docstrings and annotations are what they are told."""

    def __init__(self, services: Services, finished: Finished) -> None:
        """`finished` waits for the end of a job without holding a thread: the server has 40 of them for everybody."""
        self._services, self._finished = services, finished

    async def make_picture(
        self,
        prompt: str,
        negative_prompt: str = "",
        model: str = "",
        width: int = 0,
        height: int = 0,
        steps: int = 0,
        seed: int = -1,
    ) -> str:
        """Draw a picture from words, on this computer. Answers when it is there, with the picture and its job's id.

        Args:
            prompt: what to draw
            negative_prompt: what to keep out
            model: a model of list_models; empty for the usual one
            width: pixels; 0 for what suits the model
            height: pixels; 0 for what suits the model
            steps: 0 for what suits the model
            seed: the same seed gives the same picture; -1 draws one
        """
        sizes = {"width": width, "height": height, "steps": steps}
        values = {"task": Task.TEXT_TO_IMAGE, "prompt": prompt, "negative_prompt": negative_prompt, "seed": seed}
        return await self._made({**values, **{name: value for name, value in sizes.items() if value > 0}}, model)

    async def redraw_picture(self, job: str, prompt: str, strength: float = 0.6, seed: int = -1) -> str:
        """Draw a picture that was made here anew, with other words.

        Args:
            job: the id that make_picture answered with
            prompt: what to draw
            strength: how much is drawn anew, from 0.05 to 1
            seed: the same seed gives the same picture; -1 draws one
        """
        start = await run_in_threadpool(self._kept_picture, job)
        values = {"task": Task.IMAGE_TO_IMAGE, "prompt": prompt, "init_image": start, "strength": strength}
        return await self._made({**values, "seed": seed}, "")

    async def list_models(self) -> str:
        """The models on this computer, with what each of them can do."""
        models = await run_in_threadpool(self._services.models.all)
        facts = [
            {"id": each.id, "title": each.title, "tasks": [str(task) for task in family_of(each).tasks]}
            for each in models
        ]
        return json.dumps(facts, ensure_ascii=False)

    async def _made(self, values: dict[str, Any], model: str) -> str:
        job = await self._finished(await run_in_threadpool(self._submitted, values, model))
        if isinstance(job.state, Failed | Interrupted) and not job.artifacts:
            record = job.state.error
            raise RuntimeError(" ".join(filter(None, (record.title, record.cause, *record.fixes))))
        if isinstance(job.state, Cancelled) and not job.artifacts:
            raise RuntimeError("It was stopped.")
        return json.dumps({MADE: job.id})

    def _submitted(self, values: dict[str, Any], model: str) -> Job:
        services = self._services
        usual, path_of = services.settings.usual_values(), services.inputs.path_of
        found = resolve(models=services.models, model=model or None, values=values, usual=usual, path_of=path_of)
        if any(not value.startswith(PREFIX) for value in found.request.inputs.values()):
            raise UserError("api-picture-broken", why="a file was named, and none is opened by its name")
        keep_out(found.request.prompt, found.request.negative_prompt)
        return services.orchestrator.submit(found.request, found.record)

    def _kept_picture(self, job: str) -> str:
        """The first picture of a job, in the input store."""
        path = next((each for each in self._services.orchestrator.job(job).files if each.is_file()), None)
        if path is None:
            raise UserError("picture-gone", path=job)
        return self._services.inputs.keep(str(path), "init_image")


def worded(tool: Tool) -> Tool:
    """The tool with our errors in words: whoever asked is told what to do, and not what the code is called."""

    @functools.wraps(tool)
    async def call(*given: Any, **named: Any) -> str:
        try:
            return await tool(*given, **named)
        except EaselError as error:
            words = (error.message.title, error.message.cause, *error.message.fixes)
            raise RuntimeError(" ".join(filter(None, words))) from error

    return call
