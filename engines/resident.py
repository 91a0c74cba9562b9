"""One engine that holds one model, whatever its family: what a worker, or the process itself, really runs."""

from __future__ import annotations

import logging

from engines.interface import EngineInterface, RunContext
from engines.pipeline.upscale import upscale_alone
from engines.plan import Plan
from engines.records import ModelRecord
from engines.registry import create_engine
from engines.runtime import import_libraries
from engines.types import GenerationRequest, GenerationResult

log = logging.getLogger(__name__)


class ResidentEngine:
    """Implements `EngineInterface`. A model stays loaded until another one is asked for: loading is the slow part."""

    def __init__(self) -> None:
        self._engine: EngineInterface | None = None
        self._fingerprint = ""
        self.loads = 0

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """Load `record` unless it is resident with the same reload fingerprint."""
        fingerprint = reload_fingerprint(record, ctx.plan)
        if fingerprint == self._fingerprint:
            log.info("model=%s stays loaded why=same reload fingerprint", record.id)
            return
        self.unload()
        engine = create_engine(record)
        engine.load(record, ctx)
        self._engine, self._fingerprint = engine, fingerprint
        self.loads += 1

    def generate(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """See `EngineInterface.generate`; `load` must have been called, unless the request needs no model."""
        if not request.needs_model:
            return upscale_alone(request, ctx)
        assert self._engine is not None, "load comes before generate"
        return self._engine.generate(request, ctx)

    def warm_up(self) -> None:
        """Import what every model needs; takes seconds."""
        import_libraries()

    def unload(self) -> None:
        """See `EngineInterface.unload`."""
        if self._engine is not None:
            self._engine.unload()
        self._engine, self._fingerprint = None, ""


def reload_fingerprint(record: ModelRecord, plan: Plan | None = None) -> str:
    """Changes exactly when the resident model cannot serve `record`: another model, other bytes at its place, held otherwise."""
    held = plan.placement.fingerprint if plan is not None else ""
    return f"{record.family}|{record.variants}|{record.loader}|{record.path}|{record.fingerprint}|{held}"
