"""The groups of rows by name, in the order in which a run goes through them. A new group is a module and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from app.benchmark.bench import Bench
from app.benchmark.figures import Figure
from app.benchmark.rows import accelerated, estimates, http, loading, many, pictures, quality, startup, switching


@dataclass(frozen=True)
class RowGroup:
    """A group: what it measures in a few words, and how."""

    summary: str
    measure: Callable[[Bench], Iterable[Figure]]


GROUPS: Mapping[str, RowGroup] = {
    "pictures": RowGroup("warm pictures, steps, decode, a new seed", pictures.measure),
    "quality": RowGroup("Draft against Best", quality.measure),
    "openvino": RowGroup("steps by OpenVINO, where it is installed", accelerated.measure),
    "http": RowGroup("a picture over HTTP", http.measure),
    "startup": RowGroup("process start to the HTTP door and to a picture", startup.measure),
    "loading": RowGroup("loading and its peak memory", loading.measure),
    "switching": RowGroup("two models in turn", switching.measure),
    "many": RowGroup("a grid of seeds, pictures together, a LoRA's weights", many.measure),
    "estimates": RowGroup("what Easel expects against what it takes", estimates.measure),
}
