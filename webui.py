"""The entry that people know from other programs: `python webui.py` opens Easel, with whichever Python it is called."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path


def run(arguments: list[str]) -> int:
    """Open Easel; with a Python that lacks its packages, by way of the launcher, which makes the environment."""
    if importlib.util.find_spec("typer") is None:
        launcher = Path(__file__).resolve().parent / "tools" / ("start-ui.bat" if os.name == "nt" else "start-ui")
        return subprocess.call([str(launcher), *arguments])
    from app.__main__ import main

    return main(["ui", *arguments])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
