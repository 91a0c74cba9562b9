"""What goes over the pipe: small frozen values. Paths and numbers travel, tensors never do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engines.errors import EaselError
from engines.plan import Plan
from engines.records import ModelRecord
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress


@dataclass(frozen=True)
class Run:
    """Parent to worker: make this. Everything of a `RunContext` that can travel."""

    record: ModelRecord
    request: GenerationRequest
    staging: Path
    inputs: dict[str, Path] = field(default_factory=dict)
    first_image: int = 0
    checkpoint_every: float = 2.0
    preview_every: float = 0.5
    with_metadata: bool = True
    files: dict[str, Path] = field(default_factory=dict)
    plan: Plan | None = None


@dataclass(frozen=True)
class Warm:
    """Parent to worker: load the libraries, somebody will soon want a picture."""


@dataclass(frozen=True)
class Cancel:
    """Parent to worker: stop what runs."""


@dataclass(frozen=True)
class Exit:
    """Parent to worker: go."""


@dataclass(frozen=True)
class Ready:
    """Worker to parent: waiting for work."""

    pid: int


@dataclass(frozen=True)
class Finished:
    """Worker to parent: the run's end, with its result or its error (and a traceback for the log)."""

    result: GenerationResult | None = None
    error: EaselError | None = None
    details: str = ""


ToWorker = Run | Warm | Cancel | Exit
FromWorker = Ready | Progress | Artifact | Finished
