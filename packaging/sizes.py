"""The size of each part of a bundle: `sizes.py BUNDLE [FOLDER]` prints a table, and writes sizes.json into the folder."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

MEGABYTE = 1_000_000
SHOWN = 40


def main(bundle: Path, out: Path | None) -> int:
    """Measure, print, and write where that is wanted; returns the exit status."""
    parts, files, total = measure(bundle)
    for name, size in parts[:SHOWN]:
        print(f"{size / MEGABYTE:9.1f} MB  {name}")
    print(f"{sum(size for _, size in parts[SHOWN:]) / MEGABYTE:9.1f} MB  {max(0, len(parts) - SHOWN)} smaller parts")
    print(f"{total / MEGABYTE:9.1f} MB  in {files} files")
    if out is not None:
        report = {"bytes": total, "files": files, "parts": dict(parts)}
        (out / "sizes.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(bundle: Path) -> tuple[list[tuple[str, int]], int, int]:
    """The parts with their bytes, largest first, and the number of files and bytes of all. Links count nothing."""
    found: Counter[str] = Counter()
    files = 0
    for path in bundle.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[_part(path.relative_to(bundle))] += path.stat().st_size
            files += 1
    return found.most_common(), files, sum(found.values())


def _part(path: Path) -> str:
    """A package is a part; of the two that make up most of a bundle, a folder or a large library is one."""
    names = path.parts[1:] if path.parts[0] == "_internal" and len(path.parts) > 1 else path.parts
    if names[0] == "torch":
        return "/".join(names[:3] if len(names) > 2 and names[1] == "lib" else names[:2])
    if names[0] == "PySide6":
        return "/".join(names[:4] if "Qt6WebEngine" in names[-1] else names[:3])
    return f"{names[0]} (metadata)" if names[0].endswith(".dist-info") else names[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
