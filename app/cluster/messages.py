"""What goes between a lane and its node: values and bytes, never a path that only one of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engines.api import Artifact, EaselError, GenerationRequest, GenerationResult, ModelRecord, Progress


@dataclass(frozen=True)
class Hello:
    """Who the node is: its host, and the version of Easel that is installed there."""

    host: str
    version: str


@dataclass(frozen=True)
class Work:
    """One job. `inputs` are the pictures by the name of their field, each as its suffix and its bytes.

    Models and add-ons are not sent: they are found by their paths, which a shared store gives to every node.
    """

    record: ModelRecord
    request: GenerationRequest
    inputs: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    first_image: int = 0
    with_metadata: bool = True


@dataclass(frozen=True)
class Made:
    """A finished file: its facts, its bytes, and those of the small files beside it by suffix."""

    artifact: Artifact
    content: bytes
    beside: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Over:
    """The job came to an end: with a result, or with an error."""

    result: GenerationResult | None = None
    error: EaselError | None = None


News = Progress | Made | Over
