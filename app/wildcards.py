"""The person's lists for `__name__` in prompts: text files in a folder, a choice a line, `#` for remarks."""

from __future__ import annotations

import difflib
import fnmatch
from pathlib import Path

from engines.api import GenerationRequest, UserError, is_dynamic, settle

LARGEST = 4_000_000  # bytes of one list; the largest that people pass around have a tenth of it


class WildcardStore:
    """Files `<name>.txt` below one folder; a name may have folders in it, and `*` for any characters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Every list, as it is written between the underscores."""
        found = (path for path in self.folder.rglob("*.txt") if path.is_file() and self._inside(path))
        return tuple(sorted(path.relative_to(self.folder).with_suffix("").as_posix() for path in found))

    def lines(self, name: str) -> list[str]:
        """The choices of a list; of all lists that match when the name has a `*`.

        Raises `UserError` for a name that leads nowhere or out of the folder, and for a list without a line.
        """
        matches = self._matches(name)
        if not matches:
            nearest = difflib.get_close_matches(name, self.names(), 3, 0.4) or list(self.names())
            raise UserError("wildcard-unknown", name=name, folder=str(self.folder), nearest=nearest[:12])
        lines = [line for each in matches for line in self._read(each)]
        if not lines:
            raise UserError("wildcard-empty", name=name)
        return lines

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the words of each picture settled by its own seed; the same one when nothing is left to chance.

        The request's own prompt stays as written; `GenerationRequest.image` has the settled one. Raises `UserError`.
        """
        if request.texts or not (is_dynamic(request.prompt) or is_dynamic(request.negative_prompt)):
            return request
        seeds = [request.seed_of(index) for index in range(request.count)]
        texts = [
            (
                settle(request.prompt, seed, self.lines),
                settle(request.negative_prompt, seed, self.lines, "negative prompt"),
            )
            for seed in seeds
        ]
        if all(each == (request.prompt, request.negative_prompt) for each in texts):
            return request
        return request.with_(texts=texts)

    def _matches(self, name: str) -> list[str]:
        wanted = name.strip().casefold()
        if "*" not in wanted:
            return [each for each in self.names() if each.casefold() == wanted]
        return [each for each in self.names() if fnmatch.fnmatchcase(each.casefold(), wanted)]

    def _read(self, name: str) -> list[str]:
        path = self.folder / f"{name}.txt"
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST + 1)
        except OSError as error:
            raise UserError("wildcard-unreadable", name=name, why=error.strerror or str(error)) from error
        if len(text) > LARGEST:
            raise UserError("wildcard-unreadable", name=name, why=f"it is larger than {LARGEST // 1_000_000} MB")
        lines = (line.strip() for line in text.decode("utf-8-sig", "replace").splitlines())
        return [line for line in lines if line and not line.startswith("#")]

    def _inside(self, path: Path) -> bool:
        """A link may lead out of the folder; what lies there is nobody's list."""
        return path.resolve().is_relative_to(self.folder.resolve())
