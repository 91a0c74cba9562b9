"""Finding a sampler or schedule by any of its names, and what goes with what."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from engines.errors import InternalError, ResourceError, UserError
from engines.samplers.table import SAMPLER_TABLE, SCHEDULE_TABLE, Kind, Sampler, Schedule

Entry = TypeVar("Entry", Sampler, Schedule)


class Names(Generic[Entry]):
    """Entries by key or alias, whatever the case. Two entries with one name are a mistake in the table."""

    def __init__(self, entries: tuple[Entry, ...], unknown: str) -> None:
        self.entries: Mapping[str, Entry] = MappingProxyType({entry.key: entry for entry in entries})
        self._unknown = unknown
        self._by_name: dict[str, Entry] = {}
        for entry in entries:
            for name in {entry.key.lower(), *(alias.lower() for alias in entry.aliases)}:
                if name in self._by_name:
                    raise InternalError("internal", what=f"the name {name} stands twice in the sampler tables")
                self._by_name[name] = entry

    def get(self, name: str) -> Entry:
        """The entry that is called `name`; UserError with the nearest keys when there is none."""
        found = self._by_name.get(name.strip().lower())
        if found is None:
            raise UserError(self._unknown, name=name, nearest=self._nearest(name))
        return found

    def _nearest(self, name: str) -> list[str]:
        close = difflib.get_close_matches(name.lower(), self._by_name, n=5, cutoff=0.5)
        return list(dict.fromkeys(self._by_name[match].key for match in close)) or list(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())


@dataclass(frozen=True)
class Support:
    """Whether a pair works on a model; `reason` says in a sentence why not."""

    ok: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.ok


class SamplerRegistry:
    """All samplers and schedules, complete from the start: nothing is added later."""

    def __init__(self, samplers: tuple[Sampler, ...], schedules: tuple[Schedule, ...]) -> None:
        self.samplers = Names(samplers, "sampler-unknown")
        self.schedules = Names(schedules, "scheduler-unknown")
        known = set(self.schedules.entries)
        for sampler in samplers:
            if not sampler.schedules or set(sampler.schedules) - known:
                raise InternalError("internal", what=f"{sampler.key} names a schedule that is not in the table")

    def pair(self, sampler: str, schedule: str, base_config: Mapping[str, Any]) -> tuple[Sampler, Schedule]:
        """Both entries, or the error that says why the pair does not work on a model with this configuration."""
        entry, plan = self.samplers.get(sampler), self.schedules.get(schedule)
        if plan.key not in entry.schedules:
            raise UserError(
                "schedule-not-for-sampler", sampler=entry.key, scheduler=plan.key, supported=entry.schedules
            )
        kind = model_kind(base_config)
        if entry.kind is not kind:
            others = [other.key for other in self.samplers if other.kind is kind]
            raise UserError("sampler-not-for-model", sampler=entry.key, supported=others)
        for package in (*entry.needs, *plan.needs):
            if find_spec(package) is None:
                raise ResourceError("sampler-package-missing", sampler=entry.key, scheduler=plan.key, package=package)
        return entry, plan


REGISTRY = SamplerRegistry(SAMPLER_TABLE, SCHEDULE_TABLE)
SAMPLERS = REGISTRY.samplers.entries
SCHEDULERS = REGISTRY.schedules.entries
# For the descriptions of families: those that predict noise or its velocity, and flow models.
NOISE_SAMPLERS = tuple(entry.key for entry in SAMPLER_TABLE if entry.kind is Kind.NOISE)
FLOW_SAMPLERS = tuple(entry.key for entry in SAMPLER_TABLE if entry.kind is Kind.FLOW)
ALL_SCHEDULES = tuple(entry.key for entry in SCHEDULE_TABLE)


def model_kind(base_config: Mapping[str, Any]) -> Kind:
    """What kind of model the scheduler configuration belongs to."""
    if base_config.get("prediction_type") == "trigflow" or base_config.get("_class_name") == "SCMScheduler":
        return Kind.TRIGFLOW
    if "snr_shift_scale" in base_config:
        return Kind.SHIFTED
    if base_config.get("timestep_type") == "continuous":
        return Kind.CONTINUOUS
    flow = (
        str(base_config.get("_class_name", "")).startswith("FlowMatch")
        or base_config.get("prediction_type") == "flow_prediction"
        or bool(base_config.get("use_flow_sigmas"))
    )
    return Kind.FLOW if flow else Kind.NOISE


def supported(sampler: str, schedule: str, base_config: Mapping[str, Any] = MappingProxyType({})) -> Support:
    """Whether the pair works on a model with this scheduler configuration. Unknown names raise."""
    entry, plan = REGISTRY.samplers.get(sampler), REGISTRY.schedules.get(schedule)
    try:
        REGISTRY.pair(entry.key, plan.key, base_config)
    except (UserError, ResourceError) as error:
        return Support(False, error.message.cause)
    return Support(True)


def default_schedule(sampler: str, preferred: str = "Normal") -> str:
    """`preferred` where the sampler follows it, else the sampler's own first one: for values that nobody set."""
    entry, plan = REGISTRY.samplers.get(sampler), REGISTRY.schedules.get(preferred)
    return plan.key if plan.key in entry.schedules else entry.schedules[0]


def sampler_rows() -> tuple[dict[str, str], ...]:
    """One row per sampler for the manual."""
    return tuple(
        {
            "name": entry.key,
            "aliases": ", ".join(entry.aliases),
            "schedules": ", ".join(entry.schedules),
            "class": entry.class_name,
            "stochastic": "yes" if entry.stochastic else "no",
            "calls": str(entry.calls),
            "needs": ", ".join(entry.needs),
            "for": str(entry.kind),
            "summary": entry.summary,
        }
        for entry in REGISTRY.samplers
    )
