"""A1111's infotext and its relatives: Forge, SD.Next, reForge, and Fooocus in its "a1111" scheme."""

from __future__ import annotations

from collections.abc import Mapping

from engines.media.foreign.values import Foreign
from engines.media.infotext import parse_infotext

KEY = "parameters"


def read(texts: Mapping[str, str]) -> Foreign | None:
    """The settings of the text under "parameters", or of a JPEG's comment."""
    text = texts.get(KEY)
    if not text:
        return None
    settings = parse_infotext(text)
    return Foreign(_program(settings), settings, text) if "Steps" in settings else None


def _program(settings: Mapping[str, str]) -> str:
    """Which of the relatives wrote it, by what only it writes."""
    version = settings.get("Version", "")
    if "SD.Next" in settings.get("App", "") or "Pipeline" in settings or "Backend" in settings:
        return "sdnext"
    if version.startswith("Fooocus") or "Sharpness" in settings:
        return "fooocus"
    if version.startswith("Easel"):
        return "easel"
    forge = version.startswith(("f0", "f1", "f2", "neo", "classic")) or "Module 1" in settings
    return "forge" if forge or "Distilled CFG Scale" in settings else "a1111"
