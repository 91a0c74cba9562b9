"""What a face is given: the parts of the product, put together once."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from app.inputs import InputStore
from app.models import ModelStore
from app.orchestrator import Orchestrator
from app.outputs import OutputStore
from app.paths import Paths
from app.presets import PresetStore
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    """The bundle; a context manager that ends the engine when the face is done."""

    paths: Paths
    settings: Settings
    models: ModelStore
    presets: PresetStore
    inputs: InputStore
    outputs: OutputStore
    orchestrator: Orchestrator

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.orchestrator.close()
