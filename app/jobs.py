"""A job and the states it can be in: small frozen values, matched exhaustively."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engines.api import Artifact, ErrorRecord, GenerationRequest


@dataclass(frozen=True)
class Queued:
    """Accepted and written down; waits for its turn."""


@dataclass(frozen=True)
class Running:
    """On the device since `started` (seconds since the epoch)."""

    started: float


@dataclass(frozen=True)
class Succeeded:
    """All files are there. `seconds` by stage, `peak_memory` in bytes."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0


@dataclass(frozen=True)
class Failed:
    """It cannot be done as asked; `error` says why and what can."""

    error: ErrorRecord


@dataclass(frozen=True)
class Cancelled:
    """Somebody pressed Stop; finished pictures are kept."""


@dataclass(frozen=True)
class Interrupted:
    """The engine or the program died under it; it can go on where it was."""

    error: ErrorRecord


JobState = Queued | Running | Succeeded | Failed | Cancelled | Interrupted
STATES: dict[str, type[JobState]] = {
    state.__name__.lower(): state for state in (Queued, Running, Succeeded, Failed, Cancelled, Interrupted)
}


def state_name(state: JobState) -> str:
    """The state's name in the ledger, in JSON and on the command line."""
    return type(state).__name__.lower()


@dataclass(frozen=True)
class Job:
    """One accepted wish. `out` is where its files go when not to the outputs folder: a folder, or a file."""

    id: str
    request: GenerationRequest
    created: float
    state: JobState
    out: Path | None = None
    artifacts: tuple[Artifact, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The published files, in order."""
        return tuple(artifact.path for artifact in self.artifacts)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return not isinstance(self.state, Queued | Running)
