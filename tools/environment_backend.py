"""Which build of torch this computer wants, and why. Standard library only; what is looked at is in `app/backend.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import backend
from app.cards import cards

BUILDS = backend.table()["builds"]
TORCH: str = backend.table()["torch"]
# PyTorch's own indexes hold the builds for one backend; without them a processor would get gigabytes for a card.
TORCH_INDEX: dict[str, str] = {name: build["index"] for name, build in BUILDS.items()}
# How the local part of a build's version begins: torch-2.13.0+cu130-…
TORCH_LABEL: dict[str, str] = {name: build["start"] for name, build in BUILDS.items()}
# Environment and download caches; the processor's is measured.
DISK_GB: dict[str, int] = {name: build["disk_gb"] for name, build in BUILDS.items()}
VARIABLE = "EASEL_BACKEND"


class UnknownBackend(ValueError):
    """EASEL_BACKEND holds something else than the name of a backend."""


def choose_backend(before: str = "") -> tuple[str, str]:
    """The backend and the reason, in words; `before` is the one that the environment was made for.

    An environment keeps its backend until EASEL_BACKEND says otherwise: a driver that is missing for a day must not
    cost gigabytes. Raises `UnknownBackend`.
    """
    if chosen := os.environ.get(VARIABLE, "").strip().lower():
        if chosen not in TORCH_INDEX:
            raise UnknownBackend(chosen)
        return chosen, f"{VARIABLE} says so (this computer: {detect_backend()[1]})"
    found, why = detect_backend()
    if before in TORCH_INDEX and before != found:
        return before, f"the environment was made for it (now {why}; {VARIABLE}={found} would change it)"
    return found, f"{why}; {VARIABLE} overrules it"


def detect_backend() -> tuple[str, str]:
    """The backend that suits the computer's cards and drivers, and why."""
    choice = backend.choose(cards(), sys.platform)
    return choice.backend, f"{choice.why}. For the card: {choice.way_out}" if choice.way_out else choice.why
