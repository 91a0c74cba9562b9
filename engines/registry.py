"""The lists of what there is: families, and the doors that make things by key and log which key and why.

A new family is one file in `engines/families` and one line in `FAMILIES`. Imports are explicit: a frozen bundle cannot
follow a folder scan, and a reader can.
"""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engines.errors import InternalError, UserError
from engines.families import sd15, sdxl
from engines.family import EngineFamily
from engines.records import ModelHeader
from engines.types import Task

if TYPE_CHECKING:
    from engines.interface import EngineInterface

log = logging.getLogger(__name__)


class EngineRegistry:
    """Families by id. Building it is atomic: a duplicate id or pipeline key leaves no half-filled registry behind."""

    def __init__(self, families: Iterable[EngineFamily]) -> None:
        entries: dict[str, EngineFamily] = {}
        for family in families:
            if family.id in entries:
                raise InternalError("internal", what=f"two families are called {family.id}")
            entries[family.id] = family
        self._families = entries
        self.pipelines: Mapping[str, str] = {
            f"{family.id}/{task}": name for family in entries.values() for task, name in family.pipelines.items()
        }

    def all(self) -> tuple[EngineFamily, ...]:
        """Every family, in the order of registration."""
        return tuple(self._families.values())

    def get(self, family_id: str) -> EngineFamily:
        """The family called `family_id`. Raises `UserError` with the nearest names."""
        if family_id not in self._families:
            nearest = difflib.get_close_matches(family_id, self._families, 3, 0.4) or list(self._families)
            raise UserError("family-unknown", name=family_id, nearest=nearest)
        return self._families[family_id]

    def detect(self, header: ModelHeader) -> EngineFamily | None:
        """The family whose detection matches the header; None when nobody claims it."""
        return next((family for family in self.all() if family.detection.matches(header)), None)


REGISTRY = EngineRegistry(
    (
        sd15.FAMILY,
        sdxl.FAMILY,
    )
)


def create_engine(family_id: str) -> EngineInterface:
    """A fresh engine for models of the family. Imports torch: call it in the worker."""
    family = REGISTRY.get(family_id)
    module, _, name = family.engine.partition(":")
    log.info("engine key=%s class=%s why=the model's family", family_id, name)
    return getattr(importlib.import_module(module), name)(family)


def create_pipeline(key: str, components: Mapping[str, Any]) -> Any:
    """The diffusers pipeline for `key`, "family/task", around components that are already loaded (nothing is copied).

    Raises `UserError` when the family has no such task. Imports diffusers: call it in the worker.
    """
    family_id, _, task = key.partition("/")
    family = REGISTRY.get(family_id)
    if key not in REGISTRY.pipelines:
        raise UserError("task-unsupported", task=task, family=family.title, tasks=[str(t) for t in family.tasks])
    pipeline_class = _diffusers_class(REGISTRY.pipelines[key])
    log.info("pipeline key=%s class=%s why=the family's class for the task", key, pipeline_class.__name__)
    expected, _optional = pipeline_class._get_signature_keys(pipeline_class)
    arguments = {name: components.get(name) for name in expected} | dict(family.pipeline_arguments)
    if "requires_safety_checker" in _optional:
        arguments["requires_safety_checker"] = False
    return pipeline_class(**arguments)


def pipeline_key(family: EngineFamily, task: Task) -> str:
    """The key under which `create_pipeline` knows the family's pipeline for `task`."""
    return f"{family.id}/{task}"


def _diffusers_class(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)
