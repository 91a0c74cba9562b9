"""What a start spends on imports: the interpreter's own account of `easel serve` until its door answers."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from app.benchmark.programs import Served
from app.paths import FROZEN

LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)")
SHOWN = 15


def import_costs(home: Path) -> tuple[tuple[str, float], ...]:
    """Packages by the seconds that importing them took themselves, the most expensive first; none in a bundle.

    The engine's process, which imports torch while the door is open already, is another one and not in it.
    """
    if FROZEN:
        return ()
    with Served(home):
        pass  # the first start compiles
    served = Served(home, "-X", "importtime")
    return costs_of(served.end())


def costs_of(account: str) -> tuple[tuple[str, float], ...]:
    """From what `python -X importtime` writes, by package."""
    spent: Counter[str] = Counter()
    for own, module in LINE.findall(account):
        spent[module.partition(".")[0]] += int(own)
    return tuple((name, round(micro / 1e6, 4)) for name, micro in spent.most_common(SHOWN))
