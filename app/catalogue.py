"""The catalogue: models that a newcomer should meet, with what is known of them and what nobody could check."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.paths import RESOURCES

CATALOGUE = RESOURCES / "catalogue" / "models.yaml"
BYTES = 2  # of a parameter as it is published today: float16 or bfloat16
FULL_BYTES = 4  # of a parameter on a processor
FactName = Literal["repository", "files", "sizes", "memory", "settings", "licence"]
REPOSITORY = r"\w[\w.-]*/\w[\w.-]*"


@dataclass(frozen=True)
class Fact:
    """What an entry says of a model, where it is from, and whether somebody compared it with that."""

    name: str
    source: str
    checked: bool


class Licence(BaseModel):
    """What the makers ask: `accept` when it has to be agreed to on the hub first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    commercial: bool | None = None
    accept: bool = False


class Parameters(BaseModel):
    """Billions of numbers in each part; `experts` denoisers of the same size take turns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    denoiser: float = Field(gt=0)
    experts: int = 1
    encoders: tuple[float, ...] = ()
    decoder: float = 0.0

    @property
    def total(self) -> float:
        """All that is fetched."""
        return self.denoiser * self.experts + sum(self.encoders) + self.decoder

    @property
    def largest(self) -> float:
        """The part that decides how much memory is needed when they come and go one by one."""
        return max(self.denoiser, self.decoder, *self.encoders)


class Entry(BaseModel):
    """One model. `quality` orders them, `starts` names the cards of the first start for which it may be chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"[a-z0-9.-]+")
    title: str
    family: str
    makes: Literal["image", "video"]
    summary: str
    repository: str = Field(pattern=rf"^{REPOSITORY}$")
    file: str = ""
    variant: str = ""
    licence: Licence
    parameters: Parameters
    defaults: dict[str, int | float]
    tokens: int = Field(gt=0)
    passes: int = Field(ge=1, le=2)
    activations_gb: float = 1.5
    quality: int = Field(ge=0, le=100)
    starts: tuple[Literal["small", "best", "video"], ...] = ()
    source: str = Field(min_length=5)
    unchecked: tuple[FactName, ...] = ()

    @property
    def address(self) -> str:
        """As the downloader takes it."""
        return f"{self.repository}:{self.file}" if self.file else self.repository

    @property
    def download_bytes(self) -> int:
        """Computed, not measured."""
        return round(self.parameters.total * 1e9 * BYTES)

    @property
    def memory_bytes(self) -> int:
        """Graphics memory when the parts come and go: the largest one, and what it works on. Computed, not measured."""
        return round(self.parameters.largest * 1e9 * BYTES + self.activations_gb * 1e9)

    @property
    def main_memory_bytes(self) -> int:
        """Main memory to run it on the processor, in full precision. Computed, not measured."""
        return round(self.parameters.total * 1e9 * FULL_BYTES + self.activations_gb * 1e9)

    @property
    def operations(self) -> float:
        """Of one picture or clip with the usual settings: 2 x parameters x tokens x passes x steps. Computed."""
        return 2 * self.parameters.denoiser * 1e9 * self.tokens * self.passes * self.defaults["steps"]

    def card(self) -> dict[str, Any]:
        """What is kept beside the model when it is fetched."""
        usual = {key: self.defaults[key] for key in ("width", "height", "steps", "guidance") if key in self.defaults}
        return {"title": self.title, "description": self.summary, "licence": self.licence.name, "defaults": usual}


class Catalogue(BaseModel):
    """All entries, each id once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    sources: dict[FactName, str]
    models: tuple[Entry, ...]

    @model_validator(mode="after")
    def _once(self) -> Catalogue:
        ids = [entry.id for entry in self.models]
        if doubled := {each for each in ids if ids.count(each) > 1}:
            raise ValueError(f"twice in the catalogue: {', '.join(sorted(doubled))}")
        return self

    @model_validator(mode="after")
    def _sourced(self) -> Catalogue:
        if missing := set(get_args(FactName)) - self.sources.keys():
            raise ValueError(f"without a source: {', '.join(sorted(missing))}")
        return self

    def facts(self, entry: Entry) -> tuple[Fact, ...]:
        """Every kind of fact about the entry with its source."""
        own = {"settings": f"{self.sources['settings']} ({entry.source})"}
        return tuple(
            Fact(name, own.get(name, source), name not in entry.unchecked) for name, source in self.sources.items()
        )

    def find(self, name: str) -> Entry | None:
        """The entry with this id or title; for a family's id its best one that is free of conditions, else its first."""
        wanted = name.strip().casefold()
        by_name = (each for each in self.models if wanted in (each.id.casefold(), each.title.casefold()))
        return next(by_name, None) or self.of_family(wanted)

    def of_family(self, family: str) -> Entry | None:
        """The entry of a family that asks for no consent and is first in the file, else the first one."""
        found = [each for each in self.models if each.family == family]
        return next((each for each in found if not each.licence.accept), found[0] if found else None)


@lru_cache
def catalogue() -> Catalogue:
    """The catalogue that comes with Easel."""
    return Catalogue.model_validate(yaml.safe_load(CATALOGUE.read_text(encoding="utf-8")))
