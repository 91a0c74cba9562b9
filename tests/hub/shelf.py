"""What the stand-in has: repositories with their files, hashed as a hub hashes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

LARGE = (".safetensors", ".gguf", ".bin", ".ckpt")  # kept in large-file storage: named by sha256 and redirected


@dataclass(frozen=True)
class Stored:
    """One file."""

    data: bytes
    large: bool = True

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def blob_id(self) -> str:
        """Git's name of the content: what the hub gives as ETag of a small file."""
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob_id


@dataclass
class Repository:
    """Files by path, and what the hub says of them as a whole."""

    id: str
    files: dict[str, Stored]
    licence: str = "apache-2.0"
    gated: bool = False
    private: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_folder(cls, name: str, folder: Path, **facts: Any) -> Repository:
        """Everything below a folder."""
        files = {
            path.relative_to(folder).as_posix(): Stored(path.read_bytes(), path.suffix in LARGE)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        return cls(name, files, **facts)

    @property
    def commit(self) -> str:
        """The revision: it changes with the content."""
        names = "".join(f"{path}{stored.etag}" for path, stored in sorted(self.files.items()))
        return hashlib.sha1(names.encode()).hexdigest()

    def info(self) -> dict[str, Any]:
        """What /api/models answers with blobs=true."""
        return {
            "_id": "0",
            "id": self.id,
            "modelId": self.id,
            "sha": self.commit,
            "private": self.private,
            "gated": "auto" if self.gated else False,
            "disabled": False,
            "tags": ["diffusers", f"license:{self.licence}"],
            "cardData": {"license": self.licence, **self.extra},
            "siblings": [self._sibling(path, stored) for path, stored in self.files.items()],
        }

    def tree(self) -> list[dict[str, Any]]:
        """What /api/models/ID/tree answers."""
        return [
            {"type": "file", "oid": stored.blob_id, "size": len(stored.data), "path": path, **self._lfs(stored, "oid")}
            for path, stored in self.files.items()
        ]

    def _sibling(self, path: str, stored: Stored) -> dict[str, Any]:
        return {
            "rfilename": path,
            "size": len(stored.data),
            "blobId": stored.blob_id,
            **self._lfs(stored, "sha256"),
        }

    @staticmethod
    def _lfs(stored: Stored, name: str) -> dict[str, Any]:
        if not stored.large:
            return {}
        return {"lfs": {name: stored.sha256, "size": len(stored.data), "pointerSize": 134}}
