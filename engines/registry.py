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
from engines.families import (
    animatediff,
    chroma,
    cogvideox,
    flux,
    flux2,
    hunyuan_video,
    hunyuan_video15,
    ltx,
    ltx2,
    lumina2,
    qwen_image,
    sana,
    sd2,
    sd3,
    sd15,
    sdxl,
    svd,
    wan,
    z_image,
)
from engines.family import EngineFamily
from engines.records import ModelHeader, ModelRecord
from engines.types import Task

if TYPE_CHECKING:
    from engines.interface import EngineInterface

log = logging.getLogger(__name__)


class EngineRegistry:
    """Families by id. Building it is atomic: a duplicate id leaves no half-filled registry behind."""

    def __init__(self, families: Iterable[EngineFamily]) -> None:
        entries: dict[str, EngineFamily] = {}
        for family in families:
            if family.id in entries:
                raise InternalError("internal", what=f"two families are called {family.id}")
            entries[family.id] = family
        self._families = entries

    def all(self) -> tuple[EngineFamily, ...]:
        """Every family, in the order of registration."""
        return tuple(self._families.values())

    def get(self, family_id: str) -> EngineFamily:
        """The family called `family_id`. Raises `UserError` with the nearest names."""
        if family_id not in self._families:
            nearest = difflib.get_close_matches(family_id, self._families, 3, 0.4) or list(self._families)
            raise UserError("family-unknown", name=family_id, nearest=nearest)
        return self._families[family_id]

    def of(self, record: ModelRecord) -> EngineFamily:
        """The family of a model, as the model's variants of it are."""
        return self.get(record.family).as_variant(record.variants)

    def with_variants(self) -> tuple[EngineFamily, ...]:
        """Every family, each followed by those of its variants that have other parts, and so a tiny model of their own."""
        return tuple(
            made
            for family in self.all()
            for made in (family, *(family.as_variant([name]) for name in family.changes))
            if made is family or made.tiny is not family.tiny
        )

    def detect(self, header: ModelHeader) -> EngineFamily | None:
        """The family whose detection matches the header; None when nobody claims it."""
        return next((family for family in self.all() if family.detection.matches(header)), None)


REGISTRY = EngineRegistry(
    (
        sd2.FAMILY,  # before version 1, whose description fits its folders too
        sd15.FAMILY,
        sdxl.FAMILY,
        sd3.FAMILY,
        flux.FAMILY,
        flux2.FAMILY,
        chroma.FAMILY,
        qwen_image.FAMILY,
        z_image.FAMILY,
        lumina2.FAMILY,
        sana.FAMILY,
        ltx.FAMILY,
        wan.FAMILY,
        ltx2.FAMILY,
        cogvideox.FAMILY,
        hunyuan_video.FAMILY,
        hunyuan_video15.FAMILY,
        svd.FAMILY,
        animatediff.FAMILY,
    )
)


def create_engine(record: ModelRecord) -> EngineInterface:
    """A fresh engine for the model. Imports torch: call it in the worker."""
    family = REGISTRY.of(record)
    module, _, name = family.engine.partition(":")
    log.info("engine key=%s class=%s why=the model's family", family.key, name)
    return getattr(importlib.import_module(module), name)(family)


def create_pipeline(family: EngineFamily, task: Task, components: Mapping[str, Any]) -> Any:
    """The diffusers pipeline for `task` around components that are already loaded (nothing is copied).

    Raises `UserError` when the family has no such task. Imports diffusers: call it in the worker.
    """
    if task not in family.pipelines:
        raise UserError("task-unsupported", task=task, family=family.title, tasks=[str(t) for t in family.tasks])
    pipeline_class = _diffusers_class(family.pipelines[task])
    log.info("pipeline key=%s/%s class=%s why=the family's class for it", family.key, task, pipeline_class.__name__)
    expected, optional = pipeline_class._get_signature_keys(pipeline_class)
    arguments = {name: components.get(name) for name in expected}
    known = {name: components[name] for name in family.options if name in components} | dict(family.pipeline_arguments)
    arguments |= {name: value for name, value in known.items() if name in optional}
    if "requires_safety_checker" in optional:
        arguments["requires_safety_checker"] = False
    return pipeline_class(**arguments)


def _diffusers_class(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)
