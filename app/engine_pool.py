"""Lanes: what the orchestrator lets jobs run on. Here the one of this computer, whose engine keeps its model warm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engines.api import EngineInterface, GenerationRequest, GenerationResult, ModelRecord, RunContext


class Lane(Protocol):
    """One job at a time, somewhere. A job whose lane is lost under it is queued again, for any lane."""

    @property
    def held_memory(self) -> int:
        """Bytes of this computer's memory that the engine holds."""
        ...

    def ready(self) -> bool:
        """Whether a job can be begun now; may take a second to see. Raises `ResourceError` when it never will be."""
        ...

    def run(self, record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """Load if needed, generate. Raises what the engine raises; `ResourceError("lane-lost")` when the lane is gone."""
        ...

    def warm_up(self) -> None:
        """Get ready to load."""
        ...

    def unload(self) -> None:
        """Give the engine's memory back; nothing may be running."""
        ...

    def close(self) -> None:
        """Give memory and processes back."""
        ...


class EnginePool:
    """Lends the device's engine to one job at a time."""

    def __init__(self, make_engine: Callable[[], EngineInterface]) -> None:
        self._engine = make_engine()

    def ready(self) -> bool:
        """Always: the engine starts with the job."""
        return True

    def run(self, record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """Load if needed, generate. Raises what the engine raises; `ResourceError("engine-died")` when it died."""
        self._engine.load(record, ctx)
        return self._engine.generate(request, ctx)

    @property
    def held_memory(self) -> int:
        """Bytes of main memory that the engine's process holds; it gives them back when another model needs them."""
        import psutil

        pid = getattr(self._engine, "pid", None)
        try:
            return psutil.Process(pid).memory_info().rss if pid else 0
        except psutil.Error:
            return 0

    def warm_up(self) -> None:
        """Let the engine get ready to load; it takes seconds and is no use to wait for."""
        self._engine.warm_up()

    def unload(self) -> None:
        """Give the memory back; the next job loads again. Nothing may be running."""
        self._engine.unload()

    def close(self) -> None:
        """Give memory and processes back."""
        self._engine.unload()
