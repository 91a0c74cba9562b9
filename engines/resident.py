"""The engine that a worker, or the process itself, really runs: models stay loaded while there is room for them.

When memory runs out all the same, it walks down the ladder of ways once and says each step.
"""

from __future__ import annotations

import gc
import importlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace

from engines.errors import ResourceError
from engines.interface import EngineInterface, RunContext
from engines.pages import give_pages_back, pages_kept
from engines.pipeline.decode import TILED as FELL_TO_TILES
from engines.pipeline.keeping import next_plan, plan_for
from engines.pipeline.upscale import upscale_alone
from engines.placement import says
from engines.plan import BYTES, Plan
from engines.records import ModelRecord
from engines.registry import REGISTRY, create_engine
from engines.room import room_in
from engines.runtime import begin_peak, collector_paused, held_memory, import_libraries, is_out_of_memory, stage_peak
from engines.threads import forget_threads, threads_of
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress, Stage

log = logging.getLogger(__name__)

TILED_RUNG = 2
RAN_OUT = ("out-of-memory", "decode-out-of-memory")


@dataclass
class _Loaded:
    engine: EngineInterface
    plan: Plan
    held: int  # bytes that loading it took
    seconds: float = 0.0  # of loading, until they are told
    load_peak: int = 0
    guides: int = 0  # bytes of ControlNets, LoRAs and such that its jobs brought, and that stay with it


class ResidentEngine:
    """Implements `EngineInterface`. Loaded models stay, and go by least-recent use when another one needs the room."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, _Loaded] = OrderedDict()
        self._record: ModelRecord | None = None
        self._plan: Plan | None = None
        self._notes: tuple[str, ...] = ()
        self._usual_threads = 0  # of this process, before any job asked for another number
        self.loads = 0

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """Load `record` as the plan says, unless it is here already and held that way.

        A job that goes on computes with as many threads as it began with.
        """
        with room_in(ctx.staging):
            self._count_threads(ctx)
            self._load(record, ctx)

    def _count_threads(self, ctx: RunContext) -> None:
        import torch

        now = torch.get_num_threads()
        self._usual_threads = self._usual_threads or now
        wanted = threads_of(ctx.staging, self._usual_threads)
        if wanted != now:
            log.info("threads=%d before=%d why=the job began so", wanted, now)
            self.unload()  # what the models keep (encoded words and pictures) was computed with the other number
            torch.set_num_threads(wanted)

    def _load(self, record: ModelRecord, ctx: RunContext) -> None:
        self._record, self._notes = record, ()
        self._bring(record, plan_for(record, REGISTRY.of(record), ctx), ctx)

    def generate(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """See `EngineInterface.generate`; `load` must have been called, unless the request needs no model.

        A job that runs out of memory goes on where it was, held more frugally, until the ladder ends.
        """
        with room_in(ctx.staging):
            result = self._generated(request, ctx) if request.needs_model else upscale_alone(request, ctx)
        forget_threads(ctx.staging)
        return result

    def _generated(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        follow = _Followed(ctx)
        while True:
            assert self._record is not None and self._plan is not None, "load comes before generate"
            # Before they come: they stay after a Stop or an error too.
            self._current.guides = max(self._current.guides, guide_bytes(self._plan))
            try:
                with pages_kept() if self._plan.keeps_pages else nullcontext():
                    result = self._engine.generate(request, follow.context(self._plan, self._notes))
                return self._told(result, follow)
            except ResourceError as error:
                if error.code not in RAN_OUT:
                    raise
                stage, failure = str(error.params.get("stage", Stage.DECODE)), str(error.params.get("detail", ""))
            self._walk_down(stage, failure, ctx)
            self._bring(self._record, self._plan, ctx)

    def warm_up(self) -> None:
        """Import what every model needs, and the engine that makes pictures; takes seconds.

        What the imports made stays, and no later collection looks through it again: each took 0.2 s.
        """
        with collector_paused():
            import_libraries()
            importlib.import_module("engines.pipeline.engine")
        if not self._models:  # a model that is let go must not be frozen
            gc.freeze()

    def unload(self) -> None:
        """See `EngineInterface.unload`."""
        while self._models:
            self._let_go(next(iter(self._models)))
        self._record = self._plan = None

    @property
    def resident(self) -> int:
        """How many models are loaded."""
        return len(self._models)

    @property
    def current(self) -> EngineInterface | None:
        """The engine of the model that was asked for last, for whoever counts what it does; None when none is loaded."""
        return self._engine if self._models else None

    @property
    def _engine(self) -> EngineInterface:
        """The engine of the model that was asked for last."""
        return self._current.engine

    @property
    def _current(self) -> _Loaded:
        return next(reversed(self._models.values()))

    def _bring(self, record: ModelRecord, plan: Plan, ctx: RunContext) -> None:
        self._plan = plan
        while True:
            fingerprint = reload_fingerprint(record, self._plan)
            if fingerprint in self._models:
                log.info("model=%s stays loaded why=same reload fingerprint", record.id)
                self._models.move_to_end(fingerprint)
                self._make_room(record, self._plan)  # for what the job brings along, a ControlNet say
                return
            self._make_room(record, self._plan)
            try:
                self._models[fingerprint] = self._loaded(record, replace(ctx, plan=self._plan))
                self.loads += 1
                return
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                failure = str(error).strip().split("\n", 1)[0]
            self._walk_down(str(Stage.LOAD), failure, ctx)

    def _loaded(self, record: ModelRecord, ctx: RunContext) -> _Loaded:
        assert ctx.plan is not None
        if self.loads:  # a model that fills what another one left free in here would seem to take nothing
            give_back()
        before, started = held_memory(), time.perf_counter()
        begin_peak()
        with collector_paused():
            engine = create_engine(record)
            engine.load(record, ctx)
        give_pages_back()
        held = max(0, held_memory() - before)
        return _Loaded(engine, ctx.plan, held, time.perf_counter() - started, stage_peak())

    def _make_room(self, record: ModelRecord, plan: Plan) -> None:
        """Let models go, the least recently used first, until the plan fits beside the others.

        The model itself stays when it is held as the plan says, and always goes when it is held another way.
        """
        mine, as_planned = reload_fingerprint(record), reload_fingerprint(record, plan)
        for fingerprint in [each for each in self._models if each.startswith(mine) and each != as_planned]:
            self._let_go(fingerprint)
        others = [each for each in self._models if each != as_planned]
        while others and self._held(others) + plan.peak > plan.budget:
            self._let_go(others.pop(0))

    def _held(self, fingerprints: Iterable[str]) -> int:
        models = [self._models[each] for each in fingerprints]
        return sum(each.held + each.guides for each in models)

    def _let_go(self, fingerprint: str) -> None:
        log.info("model let go why=its room is needed or it is held another way")
        self._models.pop(fingerprint).engine.unload()
        give_back()

    def _walk_down(self, stage: str, failure: str, ctx: RunContext) -> None:
        """The next plan after memory ran out in `stage`; first the other models go. Raises when the ladder is at its end."""
        assert self._record is not None and self._plan is not None
        mine = reload_fingerprint(self._record, self._plan)
        others = [each for each in self._models if each != mine]
        for fingerprint in others:
            self._let_go(fingerprint)
        give_back()
        if others:
            self._say(f"Memory ran out ({stage}): the other models were let go.", ctx)
            return
        plan = next_plan(self._record, REGISTRY.of(self._record), self._plan)
        if plan is None:
            raise ResourceError("out-of-memory", stage=stage, detail=failure)
        if mine in self._models and mine != reload_fingerprint(self._record, plan):
            self._let_go(mine)
        self._plan = plan
        self._say(f"Memory ran out ({stage}): it goes on with {says(plan.way)}.", ctx)

    def _say(self, note: str, ctx: RunContext) -> None:
        log.warning("ladder note=%s", note)
        self._notes = (*self._notes, note)
        ctx.on_progress(Progress(Stage.LOAD, note=note))

    def _told(self, result: GenerationResult, follow: _Followed) -> GenerationResult:
        """The result with what loading took, with this model's own peaks, and with the rung where it ended."""
        assert self._plan is not None
        current = self._current
        others = self._held(self._models) - current.held - current.guides
        peaks = {stage: max(0, peak - others) for stage, peak in result.peaks.items()}
        seconds = dict(result.seconds)
        if current.seconds:
            seconds = {**seconds, str(Stage.LOAD): current.seconds + seconds.get(str(Stage.LOAD), 0.0)}
            peaks = {str(Stage.LOAD): max(0, current.load_peak - others), **peaks} if current.load_peak else peaks
            current.seconds = 0.0
        fell = any(note == FELL_TO_TILES for each in result.artifacts for note in each.notes)
        rung = max(self._plan.rung, TILED_RUNG if fell else 0)
        facts = {**result.facts, "rung": str(rung), "held": str(held_memory())}
        return replace(result, artifacts=tuple(follow.made), seconds=seconds, peaks=peaks, facts=facts)


class _Followed:
    """Watches a job over several tries: which pictures are out already."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx, self.made = ctx, list[Artifact]()

    def context(self, plan: Plan, notes: tuple[str, ...]) -> RunContext:
        """The context of the next try."""
        first = self._ctx.first_image + len(self.made)
        return replace(self._ctx, plan=plan, notes=notes, first_image=first, on_artifact=self._taking)

    def _taking(self, artifact: Artifact) -> None:
        self.made.append(artifact)
        self._ctx.on_artifact(artifact)


def guide_bytes(plan: Plan) -> int:
    """What the plan's ControlNets, LoRAs and such take."""
    return plan.demand.guides * BYTES[plan.placement.dtype]


def reload_fingerprint(record: ModelRecord, plan: Plan | None = None) -> str:
    """Changes exactly when the resident model cannot serve `record`: another model, other bytes at its place, held otherwise."""
    held = plan.placement.fingerprint if plan is not None else ""
    return f"{record.family}|{record.variants}|{record.loader}|{record.path}|{record.fingerprint}|{held}"


def give_back() -> None:
    """Let the allocators return what nobody uses any more."""
    import torch

    gc.collect()
    give_pages_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
