"""The words of the page in the person's language, from `resources/texts/<language>.json`."""

from __future__ import annotations

import json
from functools import lru_cache

from app.paths import RESOURCES

FALLBACK = "en"


@lru_cache
def texts(language: str) -> dict[str, str]:
    """All texts by key; what a language lacks is English."""
    folder = RESOURCES / "texts"
    known = json.loads((folder / f"{FALLBACK}.json").read_text(encoding="utf-8"))
    path = folder / f"{language}.json"
    return known | json.loads(path.read_text(encoding="utf-8")) if path.is_file() else known


class Words:
    """Looks texts up: `words("queue.waiting", count=2)`. An unknown key is a bug and raises `KeyError`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.all = texts(language)

    def __call__(self, key: str, **numbers: object) -> str:
        return self.all[key].format_map(numbers) if numbers else self.all[key]

    def get(self, key: str, otherwise: str) -> str:
        """The text, or `otherwise` where there is none: for names that come from data."""
        return self.all.get(key, otherwise)
