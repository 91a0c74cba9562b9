"""`easel doctor`: is everything there that a picture needs? Each line says ok, warn or fail, and a way out."""

from __future__ import annotations

import logging
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app import machine
from app.backend import suits
from app.cards import cards
from app.models import ModelStore
from app.paths import STARTER, Paths
from app.places import check_writable, readable
from app.settings import SettingsStore
from engines.api import EaselError, ResourceError

log = logging.getLogger(__name__)

LITTLE_MEMORY = 4_000_000_000  # bytes available; a model of the smallest common family takes about 3 GB in main memory
LITTLE_DISK = 2_000_000_000  # bytes; the smallest common model takes 2 GB
PYTHON = ((3, 11), (3, 14))


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and a way out when it is not well."""

    name: str
    verdict: Verdict
    detail: str
    fix: str = ""


def examine(paths: Paths) -> tuple[Finding, ...]:
    """Look at everything. A check that fails by itself is a finding, not an error."""
    checks: tuple[tuple[str, Callable[[], Finding | tuple[Finding, ...]]], ...] = (
        ("Python", _python),
        ("Engine", _packages),
        ("Graphics card", _gpu),
        ("Graphics card", _suits),
        ("Memory", _memory),
        ("Disk", lambda: _disk(paths)),
        ("Folders", lambda: _folders(paths)),
        ("Models", lambda: _models(paths)),
    )
    findings: list[Finding] = []
    for name, check in checks:
        found = _guarded(name, check)
        findings += found if isinstance(found, tuple) else (found,)
    return tuple(findings)


def _guarded(name: str, check: Callable[[], Finding | tuple[Finding, ...]]) -> Finding | tuple[Finding, ...]:
    try:
        return check()
    except EaselError as error:
        return Finding(name, Verdict.FAIL, str(error), " ".join(error.message.fixes))
    except Exception as error:  # the doctor is asked when things are broken, in ways that nobody foresaw
        log.exception("the check %s failed", name)
        detail = f"{type(error).__name__}: {error}"
        return Finding(name, Verdict.FAIL, detail, "Look at the report of `easel export-debug`.")


def _python() -> Finding:
    low, below = PYTHON
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if low <= sys.version_info[:2] < below:
        return Finding("Python", Verdict.OK, detail)
    fix = f"Use Python {low[0]}.{low[1]} to {below[0]}.{below[1] - 1}."
    return Finding("Python", Verdict.FAIL, detail, fix)


def _packages() -> Finding:
    versions = {name: machine.package_version(name) for name in machine.ENGINE_PACKAGES}
    missing = [name for name, version in versions.items() if not version]
    if missing:
        fix = "Install Easel again; `tools/install` does it."
        return Finding("Engine", Verdict.FAIL, f"missing: {', '.join(missing)}", fix)
    return Finding("Engine", Verdict.OK, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _gpu() -> Finding | tuple[Finding, ...]:
    try:
        cards = machine.gpus()
    except (OSError, subprocess.SubprocessError) as error:
        fix = "Install the card's driver again, or restart the computer. Easel works on the processor meanwhile."
        return Finding("Graphics card", Verdict.WARN, f"nvidia-smi failed: {type(error).__name__}", fix)
    if not cards:
        fix = "Small models work well without; large ones take minutes for a picture."
        return Finding("Graphics card", Verdict.WARN, "no NVIDIA card found; the processor is used", fix)
    return tuple(_card(card) for card in cards)


def _card(card: machine.Gpu) -> Finding:
    detail = f"{card.name}, {card.memory_free} of {card.memory_total} MiB free, driver {card.driver}"
    if machine.package_version("torch").endswith("+cpu"):
        return Finding(
            "Graphics card",
            Verdict.WARN,
            f"{detail}; this Easel is the processor version",
            "Install the CUDA version of Easel.",
        )
    return Finding("Graphics card", Verdict.OK, detail)


def _suits() -> tuple[Finding, ...]:
    """Whether the torch that is here has programs for the card, and the driver is new enough for it."""
    mismatch = suits(machine.package_version("torch"), cards(), sys.platform)
    if mismatch is None:
        return ()
    message = ResourceError(mismatch.code, **mismatch.values).message
    # With an old driver torch takes the processor by itself; without kernels it would fail at its first step.
    verdict = Verdict.WARN if mismatch.code == "gpu-driver-old" else Verdict.FAIL
    return (Finding("Graphics card", verdict, f"{message.title} {message.cause}", " ".join(message.fixes)),)


def _memory() -> Finding:
    found = machine.memory()
    detail = f"{readable(found.available)} of {readable(found.total)} available"
    if found.available < LITTLE_MEMORY:
        return Finding("Memory", Verdict.WARN, detail, "Close other programs, or use small models.")
    return Finding("Memory", Verdict.OK, detail)


def _disk(paths: Paths) -> tuple[Finding, ...]:
    findings = []
    for name, folder in (("data", paths.data), ("pictures", paths.outputs)):
        free = machine.free_disk(folder)
        detail = f"{readable(free)} free for {name} in {folder}"
        little = free < LITTLE_DISK
        fix = "Free some space, or move Easel with the variable EASEL_HOME." if little else ""
        findings.append(Finding("Disk", Verdict.WARN if little else Verdict.OK, detail, fix))
    return tuple(findings)


def _folders(paths: Paths) -> Finding:
    folders = {**paths.folders(), "outputs": SettingsStore(paths.settings_file).load().output_folder or paths.outputs}
    for folder in folders.values():
        check_writable(folder)
    return Finding("Folders", Verdict.OK, f"{len(folders)} folders can be written")


def _models(paths: Paths) -> tuple[Finding, ...]:
    store = ModelStore(
        (STARTER, paths.models, *SettingsStore(paths.settings_file).load().model_folders),
        paths.cache / "models.sqlite3",
    )
    names = ", ".join(record.id for record in store.all())
    usable = Finding("Models", Verdict.OK, f"{len(store.all())} found: {names}") if names else None
    none = Finding(
        "Models", Verdict.FAIL, "none found", f"Put a model folder into {paths.models}, or install Easel again."
    )
    broken = tuple(
        Finding(
            "Models",
            Verdict.WARN,
            f"{problem.path}: {problem.error.title} {problem.error.cause}",
            " ".join(problem.error.fixes),
        )
        for problem in store.problems
    )
    return (usable or none, *broken)
