"""Looking through folders: what could be a model, with its size and time, without opening a file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INDEX = "model_index.json"
DEPTH = 8  # folders below a root; a hub cache has its models 3 deep
WEIGHTS = (".safetensors", ".sft", ".gguf")
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
# What libraries call the weights of a folder that is one part of a model, alone or in shards.
PART_FILE = re.compile(
    r"(?:diffusion_pytorch_model|model|pytorch_model|ip_adapter)(?:\.\w+)?(?:-\d+-of-\d+)?\.safetensors"
)
SKIPPED = {"__pycache__", "node_modules", "venv", "site-packages"}


@dataclass(frozen=True)
class Candidate:
    """Something that may be a model: a file, or a folder that is one. `stamp` changes when its contents do."""

    path: Path
    stamp: str
    is_folder: bool


def candidates(folder: Path) -> Iterator[Candidate]:
    """Everything below `folder` that may be a model, by name. Links are followed once; what cannot be read is passed over."""
    yield from _walk(folder, 0, set())


def _walk(folder: Path, depth: int, seen: set[tuple[int, int]]) -> Iterator[Candidate]:
    try:
        place = folder.stat()
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        return
    if (place.st_dev, place.st_ino) in seen or depth > DEPTH:
        return
    seen.add((place.st_dev, place.st_ino))
    names = {entry.name for entry in entries}
    if INDEX in names or ("config.json" in names and any(PART_FILE.fullmatch(name) for name in names)):
        yield Candidate(folder, folder_stamp(folder), True)
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        if _is_folder(entry):
            yield from _walk(Path(entry.path), depth + 1, seen)
        elif entry.name.lower().endswith((*WEIGHTS, *PICKLES)) and (stamp := _entry_stamp(entry)):
            yield Candidate(Path(entry.path), stamp, False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entry_stamp(entry: os.DirEntry[str]) -> str:
    try:
        facts = entry.stat()
    except OSError:
        return "unreadable"
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def file_stamp(path: Path) -> str:
    """Size and time of a file, as one word. Raises `OSError`."""
    facts = path.stat()
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def folder_stamp(folder: Path) -> str:
    """One word for names, sizes and times of the files in a model folder and in its parts."""
    digest = hashlib.sha256()
    for place in (folder, *sorted(_parts(folder))):
        try:
            with os.scandir(place) as listed:
                files = sorted((entry for entry in listed if entry.is_file()), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in files:
            if entry.name.endswith((".json", *WEIGHTS)):
                digest.update(f"{place.name}/{entry.name} {_entry_stamp(entry)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _parts(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as listed:
            return [Path(entry.path) for entry in listed if _is_folder(entry)]
    except OSError:
        return []


def folders(root: Path, depth: int = 0) -> Iterator[tuple[str, int]]:
    """Every folder at and below `root` with the time of its last change (nanoseconds), in the order of their names."""
    try:
        yield str(root), root.stat().st_mtime_ns
        if depth >= DEPTH:
            return
        with os.scandir(root) as listed:
            inner = sorted(
                entry.path for entry in listed if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return
    for path in inner:
        yield from folders(Path(path), depth + 1)
