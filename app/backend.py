"""Which build of torch suits this computer, and whether the one that is here does. Pure, but for the table's file.

Standard library only: `tools/install` asks before anything is installed. The figures are in resources/backends.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app.cards import Card

TABLE = Path(__file__).resolve().parent.parent / "resources" / "backends.json"
CPU = "cpu"


@dataclass(frozen=True)
class Choice:
    """A backend, and why. `way_out` says what the person can do for a better one; empty when nothing needs to be done."""

    backend: str
    why: str
    way_out: str = ""


@dataclass(frozen=True)
class Mismatch:
    """Why a card cannot be used: the code of a message, and what it is filled in with."""

    code: str
    values: Mapping[str, str]


@cache
def table() -> dict[str, Any]:
    """The builds of torch by backend: label, index, the oldest driver, the kernels in it."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def choose(cards: Iterable[Card], system: str) -> Choice:
    """The backend for these cards on "linux" or "win32": the first one whose card, driver and kernels all fit."""
    problems: list[Choice] = []
    for card in cards:
        backend = _backend_of(card, system)
        if backend is None:
            continue
        build = table()["builds"][backend]
        if not card.driver:
            problems.append(
                Choice(CPU, f"{card.name} is there, but no driver answers for it", f"install the driver of {card.name}")
            )
        elif mismatch := why_not(card, build):
            problems.append(Choice(CPU, *_in_words(card, build, mismatch)))
        else:
            return Choice(backend, _found(card))
    return problems[0] if problems else Choice(CPU, "no graphics card was found that torch can compute on")


def why_not(card: Card, build: Mapping[str, Any]) -> Mismatch | None:
    """What is in the way of the card with this build; None when nothing is, as far as can be seen without torch."""
    if build.get("driver") and _number(card.driver) < _number(build["driver"]):
        return Mismatch("gpu-driver-old", {"driver": card.driver, "wanted": build["driver"], "torch": build["label"]})
    if card.kernels and not runs_on(card.kernels, build["kernels"]):
        values = {"card": card.name, "capability": card.kernels, "torch": build["label"]}
        return Mismatch("gpu-no-kernels", {**values, "known": ", ".join(build["kernels"])})
    return None


def runs_on(card: str, built_for: Iterable[str]) -> bool:
    """Whether programs compiled for these run on the card.

    NVIDIA: the same first number and at most the card's second one ("8.6" runs on 8.9); what comes as PTX ("12.0+PTX")
    is compiled for any newer card. AMD: the very same name.
    """
    if not re.fullmatch(r"\d+\.\d+", card):
        return card in built_for
    own = _number(card)
    for built in built_for:
        number = _number(built)
        if number <= own and (number[0] == own[0] or built.endswith("+PTX")):
            return True
    return False


def suits(torch_version: str, cards: Iterable[Card], system: str) -> Mismatch | None:
    """What is wrong with the torch that is here, by its version ("2.13.0+cu130"), for these cards; None when nothing is.

    A torch for the processor is never wrong, only slower, and a card of another maker is not its business.
    """
    label = torch_version.partition("+")[2]
    for name, build in table()["builds"].items():
        if name != CPU and label.startswith(build["start"]):
            own = [card for card in cards if _backend_of(card, system) == name]
            reasons = [why_not(card, build) for card in own if card.driver]
            return next((reason for reason in reasons if reason), None) if reasons and all(reasons) else None
    return None


def _backend_of(card: Card, system: str) -> str | None:
    for name, build in table()["builds"].items():
        if card.vendor == build.get("vendor") and system in build["systems"]:
            return name
    return None


def _in_words(card: Card, build: Mapping[str, Any], mismatch: Mismatch) -> tuple[str, str]:
    if mismatch.code == "gpu-driver-old":
        age = f" of {card.driver_date}" if card.driver_date else ""
        why = f"{card.name} has driver {card.driver}{age}, and torch for {build['label']} needs {build['driver']} or newer"
        return why, f"install a newer driver for {card.name}, then set this up again"
    known = build["kernels"]
    return f"{card.name} is {card.kernels}, and torch for {build['label']} was built for {', '.join(known)}", ""


def _found(card: Card) -> str:
    facts = [f"driver {card.driver}", card.kernels, f"{card.memory} MiB" if card.memory else ""]
    return f"found {card.name} ({', '.join(fact for fact in facts if fact)})"


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
