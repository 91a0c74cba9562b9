"""Does a model fit this computer, and how long will a picture take? Pure functions over a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.catalogue import Entry, catalogue
from app.machine import free_disk, gpus_or_none, memory
from engines.api import families

GIB = 2**30
SYSTEM = 3e9  # bytes of main memory that the system and the window need
# Operations a second that a card reaches in half precision, by its memory in GiB. An assumption about the cards that are
# sold with so much memory, not a measurement; the page calls the result rough.
CARD_SPEEDS = ((7, 8e12), (11, 18e12), (15, 30e12), (23, 60e12), (10_000, 100e12))
# One core of a processor with AVX2 in float32: a UNet of 0.86 billion parameters at 256 pixels took 9.3 s for two passes.
CORE_SPEED = 0.045e12


class Fit(StrEnum):
    """How a model goes with a computer: on the graphics card, with patience, or not at all."""

    FITS = "fits"
    SLOW = "slow"
    TOO_BIG = "too-big"


@dataclass(frozen=True)
class Facts:
    """What counts of a computer: bytes of graphics and main memory and disk, cores."""

    card: str
    graphics: int
    main: int
    disk: int
    cores: int


def facts(folder_for_models: object) -> Facts:
    """Of this computer, without torch; well under two seconds."""
    from pathlib import Path

    import psutil

    cards = gpus_or_none()
    best = max(cards, key=lambda each: each.memory_total, default=None)
    return Facts(
        card=best.name if best else "",
        graphics=best.memory_total * 2**20 if best else 0,
        main=memory().total,
        disk=free_disk(Path(str(folder_for_models))),
        cores=psutil.cpu_count(logical=False) or 1,
    )


QUICK = 120.0  # seconds for a picture on a processor up to which a model counts as fitting


def fit(entry: Entry, here: Facts) -> Fit:
    """On a card with room for the largest part it fits; from main memory it is slow; else it is too big."""
    if here.disk < entry.download_bytes:
        return Fit.TOO_BIG
    if here.graphics and entry.memory_bytes <= here.graphics and entry.download_bytes + SYSTEM <= here.main:
        return Fit.FITS
    if here.graphics and entry.download_bytes + SYSTEM <= here.main:
        return Fit.SLOW
    if entry.main_memory_bytes + SYSTEM > here.main:
        return Fit.TOO_BIG
    return Fit.FITS if seconds(entry, here) <= QUICK else Fit.SLOW


def fit_bytes(weights: int, here: Facts) -> Fit:
    """For a model on the disk, by the size of its tensors alone: on the card, from main memory, or not at all."""
    if weights + SYSTEM > here.main:
        return Fit.TOO_BIG
    return Fit.FITS if not here.graphics or weights <= here.graphics else Fit.SLOW


def seconds(entry: Entry, here: Facts) -> float:
    """Roughly, for one picture or clip with the usual settings."""
    if not here.graphics:
        return entry.operations / (CORE_SPEED * here.cores)
    speed = card_speed(here.graphics)
    parts_move = 1.0 if entry.memory_bytes <= here.graphics else 4.0  # weights come through the bus at every step
    return parts_move * entry.operations / speed


def card_speed(graphics: int) -> float:
    """Operations a second of a card with so many bytes of memory; see `CARD_SPEEDS`."""
    return next(speed for most, speed in CARD_SPEEDS if graphics / GIB < most)


def offered() -> tuple[Entry, ...]:
    """The entries of families that this version knows."""
    known = {each.id for each in families()}
    return tuple(entry for entry in catalogue().models if entry.family in known)


def first_choices(here: Facts) -> dict[str, Entry]:
    """The cards of the first start: small and fast, the best that fits, video; a card with nothing for it is left out."""
    chosen: dict[str, Entry] = {}
    for kind in ("small", "best", "video"):
        taken = {entry.id for entry in chosen.values()}
        candidates = [entry for entry in offered() if kind in entry.starts and entry.id not in taken]
        if candidates:
            chosen[kind] = max(candidates, key=lambda entry: _worth(entry, here, kind))
    return chosen


def _worth(entry: Entry, here: Facts, kind: str) -> tuple[int, int]:
    """What fits comes first; then the quality, or the smallness where nothing fits or small is what is asked for."""
    fits = {Fit.FITS: 2, Fit.SLOW: 1, Fit.TOO_BIG: 0}[fit(entry, here)]
    small = kind == "small" or fits == 0
    return fits, -entry.download_bytes if small else entry.quality
