"""Whether a weight file is whole: its header adds up, and its checksum is the one that its source names, where one does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.library.hashes import Hashes
from engines.api import identify

SIDECAR_LIMIT = 1 << 20  # bytes
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Verdict:
    """`verdict` is "whole" (a checksum agrees), "readable" (there is none to compare with) or "damaged"; `why` in words."""

    path: Path
    verdict: str
    hashes: Hashes
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """JSON-able values."""
        return {"path": str(self.path), "verdict": self.verdict, "sha256": self.hashes.sha256, "why": self.why}


def verify(path: Path, hashes_of: Callable[[Path], Hashes]) -> Verdict:
    """Check one file. Raises `UserError` when it cannot be read."""
    found = identify(path)
    if found.problem is not None:
        return Verdict(path, "damaged", Hashes(), f"{found.problem.title} {found.problem.cause}")
    hashes = hashes_of(path)
    for source, wanted in named_checksums(path):
        if wanted != hashes.sha256:
            return Verdict(path, "damaged", hashes, f"{source} names the checksum {wanted}")
        return Verdict(path, "whole", hashes, f"{source} names the same checksum")
    return Verdict(path, "readable", hashes, "no checksum lies beside it")


def named_checksums(path: Path) -> Iterator[tuple[str, str]]:
    """Checksums of the file that lie beside it: of Stability Matrix, of Civitai's helpers, or in the name of a hub's blob."""
    real = path.resolve()
    if SHA256.fullmatch(real.name) and real.parent.name == "blobs":
        yield "the hub's cache", real.name
    for name, keys in (
        (f"{path.stem}.cm-info.json", ("Hashes", "SHA256")),
        (f"{path.stem}.civitai.info", ("files", "hashes", "SHA256")),
    ):
        value = _json(path.with_name(name))
        for key in keys:
            value = value[0] if isinstance(value, list) and value else value
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and SHA256.fullmatch(value.lower()):
            yield name, value.lower()
    yield from _in_card(path)
    plain = path.with_name(f"{path.name}.sha256")
    if plain.is_file() and (match := SHA256.search(plain.read_text("utf-8", "replace")[:1000].lower())):
        yield plain.name, match[0]


def _in_card(path: Path) -> Iterator[tuple[str, str]]:
    """The checksum in the card that a download leaves: beside a single file, or in the folder of the model."""
    for card in (
        path.with_name(f"{path.stem}.easel.json"),
        path.parent / "easel.json",
        path.parent.parent / "easel.json",
    ):
        files = _json(card)
        entry = files.get("files") if isinstance(files, dict) else None
        known = entry.get(path.relative_to(card.parent).as_posix()) if isinstance(entry, dict) else None
        found = known.get("sha256") if isinstance(known, dict) else None
        if isinstance(found, str) and SHA256.fullmatch(found):
            yield card.name, found
            return


def _json(path: Path) -> Any:
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open("rb") as file:
            return json.loads(file.read(SIDECAR_LIMIT).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
