"""The pictures that jobs start from, kept by their contents: a job can go on when the person's file is gone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.files import write_atomic
from engines.api import REFERENCE_FIELDS, ResourceError, UserError, picture_size, video_facts

PREFIX = "sha256:"
KINDS = {"init_image": "init-image", "mask": "mask", "last_image": "last-image"} | dict.fromkeys(
    REFERENCE_FIELDS, "init-image"
)


class InputStore:
    """Copies of input pictures in `folder`, named by the sha256 of their bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, value: str, kind: str) -> str:
        """Keep the file at the path `value` and return "sha256:<hex>"; a value that is one already must be kept here.

        `kind` is the input's name in the request's `inputs`. Raises `UserError` for a missing, broken or huge file.
        """
        if value.startswith(PREFIX):
            self.path_of(value)
            return value
        path = Path(value)
        if "video" in kind:
            video_facts(path)
        else:
            picture_size(path, KINDS.get(kind, "init-image"))
        return self.keep_bytes(path.read_bytes(), path.suffix.lower())

    def keep_bytes(self, data: bytes, suffix: str) -> str:
        """Keep a picture's bytes and return "sha256:<hex>"; `suffix` is the file's, ".png" for instance.

        Raises `ResourceError("input-not-kept")` on a full disk.
        """
        digest = hashlib.sha256(data).hexdigest()
        kept = self.folder / f"{digest}{suffix}"
        if not kept.exists():
            try:
                write_atomic(kept, data)
            except OSError as error:
                why = error.strerror or str(error)
                raise ResourceError("input-not-kept", folder=str(self.folder), why=why) from error
        return PREFIX + digest

    def path_of(self, value: str) -> Path:
        """The file behind "sha256:<hex>", or `value` as a path. Raises `UserError("input-forgotten")`."""
        if not value.startswith(PREFIX):
            return Path(value)
        digest = value.removeprefix(PREFIX)
        found = next((path for path in self.folder.glob(f"{digest}*") if len(digest) == 64), None)
        if found is None:
            raise UserError("input-forgotten", ref=value, folder=str(self.folder))
        return found
