"""What an engine is, and what it is given for one job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engines.errors import Cancelled
from engines.plan import Plan
from engines.records import ModelRecord
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress


class CancelToken:
    """A flag that one thread sets and the engine looks at: truthful, because the engine stops where it looks."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Raises `Cancelled` if somebody asked the job to stop."""
        if self._event.is_set():
            raise Cancelled()


@dataclass(frozen=True)
class RunContext:
    """All that one job may touch; per job, never per process.

    `staging` is the only folder the engine writes to. `inputs` maps the names of the request's `inputs` to files,
    `files` the ids of other model files that it names (upscalers and such).
    `first_image` is where a resumed job goes on: the images before it are finished. `checkpoint_every` is the
    least time between two checkpoints in seconds, 0 for one after every sampler call; there is always one before decode.
    `preview_every` is in seconds, 0 for no previews. `plan` says how to hold the model and how to decode; without one the
    engine makes its own. `notes` are sentences about changes of that plan; they go into the files.
    """

    staging: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    token: CancelToken = field(default_factory=CancelToken)
    on_progress: Callable[[Progress], None] = lambda _progress: None
    on_artifact: Callable[[Artifact], None] = lambda _artifact: None
    first_image: int = 0
    checkpoint_every: float = 2.0
    preview_every: float = 0.5
    with_metadata: bool = True
    plan: Plan | None = None
    notes: tuple[str, ...] = ()

    def check_cancelled(self) -> None:
        """Raises `Cancelled` if Stop was pressed."""
        self.token.check()

    @property
    def checkpoint(self) -> Path:
        """Where the half-done picture is kept; written atomically, removed when the picture is finished."""
        return self.staging / "checkpoint.safetensors"


class EngineInterface(Protocol):
    """An engine holds one model at a time and makes pictures with it."""

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """Bring the model to the device. Raises `UserError` for a broken model, `ResourceError` for want of memory."""
        ...

    def generate(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """Make the files of `request` in `ctx.staging`. Raises `Cancelled`, `UserError`, `ResourceError`."""
        ...

    def warm_up(self) -> None:
        """Load libraries, not models, so that the first picture need not wait for them; returns at once."""
        ...

    def unload(self) -> None:
        """Give the memory back."""
        ...
