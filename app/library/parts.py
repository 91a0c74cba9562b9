"""Which file fills each part that a model lacks, and which others could: for the person to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.library.fill import fillers
from app.library.shelf import ModelFile
from engines.api import Kind, UserError

AUTOMATIC = ""  # in place of a file: let Easel choose


@dataclass(frozen=True)
class PartChoice:
    """A part that the model's own file does not hold. `place` fills it now; None: nobody has it, or it is left out.

    `needed` is false for parts that the family can do without: they are left out unless the person chooses a file. `chosen`
    says that the person did. `offers` are the files and folders on this computer that have the part, the likeliest first.
    """

    part: str
    needed: bool
    place: Path | None
    chosen: bool
    offers: tuple[Path, ...]


def part_choices(file: ModelFile, files: Sequence[ModelFile], chosen: Mapping[str, Path]) -> tuple[PartChoice, ...]:
    """Every part that `file` lacks; nothing for a model that is a folder."""
    if file.kind not in (Kind.CHECKPOINT, Kind.DENOISER) or not file.family:
        return ()
    parts = [*((part, True) for part in file.identified.missing), *((part, False) for part in file.identified.optional)]
    return tuple(_choice(file, files, part, needed, chosen.get(part)) for part, needed in parts)


def _choice(file: ModelFile, files: Sequence[ModelFile], part: str, needed: bool, own: Path | None) -> PartChoice:
    offers = fillers(file, part, files)
    if own is not None and own.exists():
        return PartChoice(part, needed, own, True, offers)
    return PartChoice(part, needed, offers[0] if needed and offers else None, False, offers)


def choose_part(
    choices: Sequence[PartChoice], model: str, before: Mapping[str, Path], part: str, place: str
) -> dict[str, Path]:
    """The model's choices with another file for `part`; `AUTOMATIC` takes the choice back.

    Raises `UserError("model-part-unknown")` and `UserError("model-part-unfit")` with what there is.
    """
    found = next((each for each in choices if each.part == part), None)
    if found is None:
        names = [each.part for each in choices]
        raise UserError("model-part-unknown", model=model, part=part, parts=names or "none: it has all that it needs")
    after = {name: path for name, path in before.items() if name != part}
    if place == AUTOMATIC:
        return after
    wanted = Path(place).expanduser().absolute()
    if wanted not in found.offers:
        raise UserError(
            "model-part-unfit", file=str(wanted), part=part, offers=[str(each) for each in found.offers] or "none"
        )
    return after | {part: wanted}
