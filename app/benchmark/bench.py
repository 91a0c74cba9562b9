"""What rows measure with: the wish, how often, and both sides, each started when somebody first needs it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from app.paths import STARTER, Paths
from app.settings import Settings, SettingsStore
from engines.api import EASEL, PLAIN, SEED_MAX, BenchmarkSide, GenerationRequest, ModelRecord

TINY, FULL = 300e6, 1e9  # bytes of weights: below and above them goals for tiny and for full-size models count


@dataclass
class Bench:
    """One run of the benchmark. A context manager that ends its processes. `folder` may be filled; it goes afterwards."""

    record: ModelRecord
    request: GenerationRequest
    folder: Path
    pairs: int = 7
    first_pairs: int = 3
    say: Callable[[str], None] = lambda _stage: None
    _sides: dict[str, BenchmarkSide] = field(default_factory=dict)
    _seeds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_sides()

    @property
    def tiny(self) -> bool:
        """Whether goals for a tiny model count."""
        return self.record.weight_bytes < TINY

    @property
    def full(self) -> bool:
        """Whether goals for a full-size model count."""
        return self.record.weight_bytes >= FULL

    @property
    def easel(self) -> BenchmarkSide:
        """Easel's side, with the model loaded."""
        return self._side(EASEL)

    @property
    def plain(self) -> BenchmarkSide:
        """Plain diffusers, with the model loaded."""
        return self._side(PLAIN)

    def end_sides(self) -> None:
        """End both processes: for rows that need the memory, or a process in which nothing has been."""
        while self._sides:
            self._sides.popitem()[1].close()

    @contextmanager
    def fresh(self, kind: str) -> Iterator[BenchmarkSide]:
        """A side in a new process, with nothing loaded."""
        with BenchmarkSide(kind, self.folder) as side:
            yield side

    def another(self) -> GenerationRequest:
        """The wish with a seed that was not there before, and the same words."""
        return self.request.with_(seed=(self.request.seed + next(self._seeds)) % SEED_MAX)

    def turns(self, count: int) -> Iterator[bool]:
        """Who goes first, turn by turn: what else runs on the computer then slows both down alike."""
        return (bool(turn % 2) for turn in range(count))

    def home(self) -> Path:
        """A data folder for programs that are started, as a person who has this model has one."""
        home = self.folder / "home"
        store = SettingsStore(Paths.below(home).settings_file)
        folders = [] if STARTER in self.record.path.parents else [self.record.path.parent]
        store.save(Settings(wizard_done=True, model_folders=folders))
        return home

    def _side(self, kind: str) -> BenchmarkSide:
        if kind not in self._sides:
            self._sides[kind] = BenchmarkSide(kind, self.folder)
            self._sides[kind].load(self.record)
        return self._sides[kind]
