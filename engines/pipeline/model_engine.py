"""What the engines of pictures and of videos have in common: one model resident, a job's files one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, Protocol, TypeVar

import torch

from engines.errors import EaselError, ResourceError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.pipeline.item import Item
from engines.pipeline.loaded import LoadedModel, load_by_plan
from engines.pipeline.spent import Spent
from engines.records import ModelRecord
from engines.runtime import is_out_of_memory, peak_memory
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress, Stage


class Maker(Protocol):
    """Makes files with one loaded model, each the same alone or in a row."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What the files say of how they were made."""
        ...

    def job(self, request: GenerationRequest, ctx: RunContext, seconds: Spent) -> AbstractContextManager[None]:
        """What is so while all files of a job are made."""
        ...

    def make(self, request: GenerationRequest, item: Item) -> Artifact:
        """The item's file, finished in staging; `request` is the whole job's."""
        ...


M = TypeVar("M", bound=Maker)


class ModelEngine(Generic[M]):
    """Implements `EngineInterface`: loads one model, and lets a maker of its own make each file."""

    def __init__(self, family: EngineFamily, make_maker: Callable[[LoadedModel], M]) -> None:
        self.family = family
        self._make_maker = make_maker
        self._loaded: tuple[LoadedModel, M] | None = None

    @property
    def model(self) -> LoadedModel:
        """The model that is loaded."""
        assert self._loaded is not None, "load comes before generate"
        return self._loaded[0]

    @property
    def maker(self) -> M:
        """What makes files with it."""
        assert self._loaded is not None, "load comes before generate"
        return self._loaded[1]

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """See `EngineInterface.load`."""
        ctx.on_progress(Progress(Stage.LOAD))
        model = load_by_plan(record, self.family, ctx)
        self._loaded = (model, self._make_maker(model))

    def warm_up(self) -> None:
        """Nothing is left to do: whoever has this class has imported the libraries."""

    def unload(self) -> None:
        """See `EngineInterface.unload`."""
        self._loaded = None

    @torch.inference_mode()
    def generate(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """See `EngineInterface.generate`. Peak memory is this process's, graphics memory where there is a card."""
        seconds, artifacts = Spent(), list[Artifact]()
        with _out_of_memory_said_plainly(request, seconds), self.maker.job(request, ctx, seconds):
            for index in range(ctx.first_image, request.count):
                item = Item(request.image(index), index, request.count, ctx, seconds)
                artifacts.append(self.maker.make(request, item))
                ctx.on_artifact(artifacts[-1])
        return GenerationResult(tuple(artifacts), dict(seconds), peak_memory(), dict(self.maker.facts), seconds.peaks)


@contextmanager
def _out_of_memory_said_plainly(request: GenerationRequest, seconds: Spent) -> Iterator[None]:
    try:
        yield
    except EaselError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        detail = str(error).strip().split("\n", 1)[0]
        frames = f", {request.frames} frames" if request.task.makes_video else ""
        stage = f"{seconds.stage} at {request.width}x{request.height}{frames}"
        raise ResourceError("out-of-memory", stage=stage, detail=detail) from error
