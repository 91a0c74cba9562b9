"""What can be said about this computer when Easel itself does not start. Standard library only, any Python 3."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = ROOT / ".venv" / "easel-ready"


def main() -> int:
    """Show the report and write it beside the person's other files; returns the exit status."""
    from environment_backend import detect_backend

    facts = {
        "easel": commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "free_disk_gb": round(shutil.disk_usage(ROOT).free / 1e9, 1),
        "backend": " because ".join(detect_backend()),
        "environment": STAMP.read_text(encoding="utf-8") if STAMP.is_file() else "not finished",
    }
    text = json.dumps(facts, indent=1)
    print(text)
    target = Path(f"easel-bare-report-{time.strftime('%Y%m%d-%H%M%S')}.json").absolute()
    try:
        target.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"It could not be saved ({error.strerror}); copy the lines above.", file=sys.stderr)
        return 3
    print(
        "Easel does not start, so this holds no logs and no list of jobs: please add what it said above.",
        file=sys.stderr,
    )
    print(target)
    return 0


def commit() -> str:
    """The state of the clone; it holds no name and no address."""
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "not a clone"


if __name__ == "__main__":
    sys.exit(main())
