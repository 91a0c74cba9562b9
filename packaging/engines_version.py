"""The version of Easel, read from its source: whoever packs it need not be able to run it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "engines" / "__init__.py"


def version() -> str:
    """The version, as in 0.1.0."""
    found = re.search(r'^__version__ = "([^"]+)"', SOURCE.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{SOURCE} has no __version__")
    return found[1]


if __name__ == "__main__":
    sys.stdout.write(version() + "\n")
