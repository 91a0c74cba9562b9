"""Disks that can be filled: small file systems in memory, for tests of what happens when there is no room."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system mounted at `folder`; skips the test where that cannot be done. `options` such as "size=8m"."""
    if sys.platform != "linux":
        pytest.skip("a small file system is mounted with Linux's tmpfs")
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> Path:
    """Take all the room that is left; whoever removes the returned file has it back."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


def take_all_names(folder: Path) -> list[Path]:
    """On a disk with few inodes: make files until there can be no more; each is given back by removing it."""
    made: list[Path] = []
    with contextlib.suppress(OSError):
        while True:
            path = folder / f"name-{len(made)}"
            path.touch()
            made.append(path)
    return made
