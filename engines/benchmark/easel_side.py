"""Easel's side: the engine as its worker runs it, with previews, checkpoints and metadata as always."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.benchmark.lora_weights import made_at_weights
from engines.benchmark.took import Loaded, Made, Took, mean_step
from engines.interface import RunContext
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.runtime import peak_memory
from engines.types import GenerationRequest, Progress, Stage

if TYPE_CHECKING:
    from engines.pipeline.engine import DiffusersEngine

NO_FILES: Mapping[str, Path] = {}


class EaselSide:
    """Answers the questions of a benchmark. Files go below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._engine, self._folder, self._numbers = ResidentEngine(), folder, itertools.count()
        self._record: ModelRecord | None = None
        self._engine.warm_up()

    def load(self, record: ModelRecord) -> Loaded:
        """Load the model; its libraries are there already."""
        self._record = record
        started = Took.now()
        self._engine.load(record, self._context([]))
        return Loaded(Took.now().since(started), peak_memory())

    def picture(self, request: GenerationRequest, files: Mapping[str, Path] = NO_FILES) -> Made:
        """Make the picture as a job does: load, which finds it loaded, and generate. `loads` counts LoRAs too."""
        assert self._record is not None, "load comes first"
        marks: list[tuple[Progress, Took]] = []
        loads = self._loads
        ctx = replace(self._context(marks), files=files)
        calls = CallCount(self._encoders)
        started = Took.now()
        self._engine.load(self._record, ctx)
        result = self._engine.generate(request, ctx)
        whole = Took.now().since(started)
        steps = [at for progress, at in marks if progress.stage is Stage.DENOISE]
        return Made(
            whole, mean_step(steps), _between(marks), calls.end(), self._loads - loads, result.artifacts[0].path
        )

    def lora_weights(self, request: GenerationRequest) -> list[Made]:
        """The picture with a LoRA that is made for the model here, at several weights."""
        self.picture(request)  # the pipeline is there when it has run
        return made_at_weights(self._pictures.maker.passes.pipe, request, self._folder, self.picture)

    def switch_back(self, record: ModelRecord) -> Made:
        """Load the model, the same one once more as another, and the first again: what the last of these takes."""
        self.load(record)
        self.load(replace(record, id=f"{record.id}-again", fingerprint=f"{record.fingerprint}-again"))
        loads = self._engine.loads
        took = self.load(record).took
        return Made(took, None, None, 0, self._engine.loads - loads)

    @property
    def _loads(self) -> int:
        """Of models and of LoRAs."""
        return self._engine.loads + self._pictures.maker.addons.loras.loads

    @property
    def _encoders(self) -> Iterable[Any]:
        parts = self._pictures.model.parts
        return [part for name, part in parts.items() if name.startswith("text_encoder") and part is not None]

    @property
    def _pictures(self) -> DiffusersEngine:
        from engines.pipeline.engine import DiffusersEngine  # its libraries are what loading must not be charged with

        assert isinstance(self._engine.current, DiffusersEngine)
        return self._engine.current

    def _context(self, marks: list[tuple[Progress, Took]]) -> RunContext:
        staging = self._folder / f"easel-{next(self._numbers)}"
        staging.mkdir(parents=True)
        return RunContext(staging=staging, on_progress=lambda progress: marks.append((progress, Took.now())))


class CallCount:
    """Counts the calls of modules until `end`."""

    def __init__(self, modules: Iterable[Any]) -> None:
        self._calls = 0
        self._hooks = [each.register_forward_hook(self._count) for each in modules]

    def _count(self, *_call: object) -> None:
        self._calls += 1

    def end(self) -> int:
        """Stop counting; how many there were."""
        for hook in self._hooks:
            hook.remove()
        return self._calls


def _between(marks: list[tuple[Progress, Took]]) -> Took | None:
    """From the beginning of decode to that of saving."""
    at = {progress.stage: took for progress, took in reversed(marks)}  # the first report of each stage
    return at[Stage.SAVE].since(at[Stage.DECODE]) if Stage.DECODE in at and Stage.SAVE in at else None
