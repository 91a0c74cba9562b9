"""Which engine owns the device. One for now: it keeps its model warm, and a new one takes over when it dies."""

from __future__ import annotations

from collections.abc import Callable

from engines.api import EngineInterface, GenerationRequest, GenerationResult, ModelRecord, RunContext


class EnginePool:
    """Lends the device's engine to one job at a time."""

    def __init__(self, make_engine: Callable[[], EngineInterface]) -> None:
        self._engine = make_engine()

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
