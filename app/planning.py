"""Before a job starts: how its model will be held, what it will take, and a refusal with ways out when nothing fits."""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app import machine
from app.file_sizes import FileSize, file_size
from app.fitting import CORE_SPEED, card_speed
from app.measured import Measured, Measurement, machine_mark
from engines.api import (
    KEEPS_PAGES,
    Demand,
    GenerationRequest,
    GenerationResult,
    MachineFacts,
    ModelRecord,
    Plan,
    ResourceError,
    demand_of,
    family_of,
    guide_numbers,
    operations_of,
    plan_placement,
    smaller_demands,
)

log = logging.getLogger(__name__)

GB = 1e9
Files = Mapping[str, Path]
NO_FILES: Files = {}
# Seconds for which the driver's answer holds, and that of torch's own version: asking takes some 50 ms and 1 ms, and an
# estimate, which is made at each key that somebody presses, may take no longer.
CARD_ANSWER = 5.0
ALIKE, LATEST = 1.02, 5  # works that differ by so little are the same; of jobs alike so many of the last ones are asked
NEAR = 16.0  # times the work; a measurement that is farther away says little of the time


@dataclass(frozen=True)
class Estimate:
    """What a request will take: bytes at most, of which `usable` may be used, and seconds (None: nobody can say).

    `measured` says that both come from jobs on this computer and not from the model's header alone.
    """

    plan: Plan
    needed: int
    usable: int
    seconds: float | None
    measured: bool


class Planner:
    """Plans for this computer. `limit` gives the person's own limit in GB, 0 for none; `held` bytes that our engine holds.

    What the engine holds can be had back: it lets a model go when another one needs the room.
    """

    def __init__(
        self, measured: Measured, limit: Callable[[], float] = lambda: 0.0, held: Callable[[], int] = lambda: 0
    ) -> None:
        self._measured, self._limit, self._held = measured, limit, held
        self._cards: tuple[float, tuple[machine.Gpu, ...]] = (-CARD_ANSWER, ())

    def facts(self) -> MachineFacts:
        """What a plan rests on, as it is now."""
        memory = machine.memory()
        card = self._card()
        held = self._held()
        if card is None:
            free = min(memory.total, memory.available + held)
            return MachineFacts("cpu", free, False, "processor", memory.total, keeps_pages=KEEPS_PAGES)
        total, free = card.memory_total << 20, card.memory_free << 20
        half = card.compute >= 8.0  # NVIDIA's cards multiply bfloat16 from compute capability 8.0 on
        return MachineFacts("cuda", free, half, card.name, total, min(memory.total, memory.available + held))

    def plan(self, request: GenerationRequest, record: ModelRecord, files: Files = NO_FILES) -> Plan:
        """The plan for the request, which may not fit. `files` are those beside the model, as `addon_files` gives them."""
        facts = self.facts()
        demand = demand_of(request, family_of(record), bool(files), guide_numbers(files))
        rung = self._measured.from_rung(self._mark(facts), record.id, _size(demand))
        return plan_placement(record, facts, demand, limit=self._limit_bytes(), from_rung=rung)

    def check(self, request: GenerationRequest, record: ModelRecord, files: Files = NO_FILES) -> Plan:
        """The plan; raises `ResourceError("memory-too-small")` with the numbers and what would fit instead."""
        plan = self.plan(request, record, files)
        if plan.fits:
            return plan
        smaller = smaller_demands(record, self.facts(), plan.demand, limit=self._limit_bytes())
        raise ResourceError(
            "memory-too-small",
            needed=f"{max(plan.peak, plan.main_peak) / GB:.1f}",
            usable=f"{plan.budget / GB:.1f}",
            total=f"{self.facts().total_memory / GB:.1f}",
            model=record.title,
            size=_in_words(plan.demand),
            ways=" or ".join(_in_words(each) for each in smaller) or "a smaller model",
            width=smaller[-1].width if smaller else 0,
            height=smaller[-1].height if smaller else 0,
            frames=smaller[0].frames if smaller else 0,
        )

    def estimate(self, request: GenerationRequest, record: ModelRecord, files: Files = NO_FILES) -> Estimate:
        """What the request will take, from this computer's own jobs where there were any; well under 50 ms."""
        plan = self.plan(request, record, files)
        facts = self.facts()
        mark, work = self._mark(facts), operations_of(record, plan.demand)
        same = [row for row in self._measured.rows(mark, record.id) if row.rung == plan.rung and row.expected]
        nearest = min(same, key=lambda row: abs(row.pixels - _area(plan.demand)), default=None)
        needed = round(plan.peak * nearest.peak / nearest.expected) if nearest and nearest.peak else plan.peak
        if not self._seen(mark, record.id, work):
            work = operations_of(record, replace(plan.demand, share=plan.demand.sure_share))
        seconds = self._seconds(mark, record.id, plan, work)
        measured = nearest is not None and seconds is not None
        return Estimate(plan, needed, plan.budget, seconds or self._first_guess(facts, work), measured)

    def measured_seconds(
        self, request: GenerationRequest, record: ModelRecord, files: Files = NO_FILES
    ) -> float | None:
        """What the request took here, by jobs of its size with as much work a picture; None where there were none."""
        demand = self.plan(request, record, files).demand
        work = operations_of(record, demand)
        rows = [
            row
            for row in self._measured.rows(self._mark(self.facts()), record.id)
            if row.size == _size(demand) and row.work and row.seconds.get("denoise")
        ]
        each = work / demand.count
        alike = [row for row in rows if each and 1 / ALIKE <= each * row.count / row.work <= ALIKE][-LATEST:]
        return statistics.median(_scaled(row, demand, work) for row in alike) if alike else None

    def file_size(self, request: GenerationRequest) -> FileSize | None:
        """How large each file of a video will be; None for pictures, which are small."""
        return file_size(request, self._measured) if request.task.makes_video else None

    def learn(
        self,
        request: GenerationRequest,
        record: ModelRecord,
        plan: Plan,
        result: GenerationResult,
        file_bytes: int = 0,
    ) -> None:
        """Keep what the job took; `file_bytes` are those of all its files.

        A rung that the engine had to go down to is remembered for this size.
        """
        facts = self.facts()
        rung = int(result.facts.get("rung", plan.rung))
        if rung > plan.rung:
            self._measured.failed(self._mark(facts), record.id, _size(plan.demand), rung)
        if len(result.artifacts) < request.count or rung != plan.rung:
            return  # resumed or walked down: its numbers are not those of a whole job
        self._measured.add(
            Measurement(
                machine=self._mark(facts),
                model=record.id,
                rung=rung,
                size=_size(plan.demand),
                work=operations_of(record, plan.demand),
                count=request.count,
                expected=plan.peak,
                seconds=dict(result.seconds),
                peaks=dict(result.peaks),
                file_bytes=file_bytes,
                kind=str(request.video_format if request.task.makes_video else request.image_format),
            )
        )

    def _seconds(self, mark: str, model: str, plan: Plan, work: float) -> float | None:
        """From the last jobs whose work was nearest, the middle one: a job may have had to share the computer."""
        rows = [row for row in self._measured.rows(mark, model) if row.work and "denoise" in row.seconds]
        rows = [row for row in rows if 1 / NEAR <= work / row.work <= NEAR] if work else []
        if not rows:
            return None
        nearest = min(_distance(work, each) for each in rows)
        alike = [each for each in rows if _distance(work, each) <= nearest * ALIKE][-LATEST:]
        return statistics.median(_scaled(each, plan.demand, work) for each in alike)

    def _seen(self, mark: str, model: str, work: float) -> bool:
        """Whether a job with as much work ran here; before that nobody knows how many steps can really be left out."""
        rows = (row for row in self._measured.rows(mark, model) if row.work)
        return not work or any(_distance(work, row) <= ALIKE for row in rows)

    def _first_guess(self, facts: MachineFacts, work: float) -> float | None:
        """Before anything was measured with this model: this computer's pace with others, or that of its kind."""
        if not work:
            return None
        paces = [row.work / row.seconds["denoise"] for row in self._measured.rows(self._mark(facts)) if _paced(row)]
        if paces:
            return work / sorted(paces)[len(paces) // 2]
        cores = os.cpu_count() or 1
        return work / (CORE_SPEED * cores if facts.device == "cpu" else card_speed(facts.total_memory))

    def _mark(self, facts: MachineFacts) -> str:
        return machine_mark(facts.name, facts.total_memory)

    def _limit_bytes(self) -> int:
        return round(self._limit() * GB)

    def _card(self) -> machine.Gpu | None:
        """The card that the engine would use; none where torch cannot use one, or was told not to."""
        if os.environ.get("EASEL_DEVICE", "").lower() == "cpu":
            return None
        asked, cards = self._cards
        if time.monotonic() - asked > CARD_ANSWER:
            cards = () if "+cpu" in machine.package_version("torch") else machine.gpus_or_none()
            self._cards = (time.monotonic(), cards)
        return max(cards, key=lambda card: card.memory_total, default=None)


def _distance(work: float, row: Measurement) -> float:
    return max(work / row.work, row.work / work)


def _scaled(row: Measurement, demand: Demand, work: float) -> float:
    """Seconds for the demand by a job: denoising grows with the work, decoding and saving with the pixels, words stay."""
    pixels = _area(demand) * demand.count / (row.pixels * row.count)
    drawn = row.seconds["denoise"] * work / row.work
    made = (row.seconds.get("decode", 0.0) + row.seconds.get("save", 0.0)) * pixels
    return drawn + made + row.seconds.get("encode", 0.0)


def _paced(row: Measurement) -> bool:
    """Jobs of tiny models say nothing of the pace of large ones: their time is not spent on multiplying."""
    return row.seconds.get("denoise", 0.0) > 0.5 and row.work / row.seconds["denoise"] > 1e9


def _size(demand: Demand) -> tuple[int, int, int]:
    return demand.width, demand.height, demand.frames


def _area(demand: Demand) -> int:
    return demand.pixels * demand.frames


def _in_words(demand: Demand) -> str:
    frames = f" with {demand.frames} frames" if demand.frames > 1 else ""
    return f"{demand.width}x{demand.height}{frames}"
