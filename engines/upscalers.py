"""Ways to make a picture larger without drawing it anew: filters for pixels, filters for latents. Names are A1111's."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable, Mapping

from engines.errors import UserError

PIXEL_FILTERS: Mapping[str, str] = {"Lanczos": "LANCZOS", "Bicubic": "BICUBIC", "Nearest": "NEAREST"}

# Mode and antialiasing of torch's interpolate.
LATENT_FILTERS: Mapping[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}


def spelled_upscaler(name: str) -> str:
    """A filter's name as the tables spell it, whatever the case; the name of an upscaler model is left as it is."""
    known = {each.casefold(): each for each in (*PIXEL_FILTERS, *LATENT_FILTERS)}
    return known.get(name.strip().casefold(), name.strip())


def is_upscaler_model(name: str) -> bool:
    """Whether the name is none of a filter's, and so has to be a file's."""
    return name not in PIXEL_FILTERS and name not in LATENT_FILTERS


def upscaler_models_possible() -> bool:
    """Whether the libraries that read upscaler models are installed; none of them is imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("spandrel", "torchvision"))


def check_upscaler(name: str, files: Iterable[str] = (), *, latent: bool = False) -> None:
    """Raises `UserError("upscaler-unknown")` with the nearest names; `files` are ids of upscaler models."""
    known = [*PIXEL_FILTERS, *(LATENT_FILTERS if latent else ()), *files]
    if name not in known:
        nearest = difflib.get_close_matches(name, known, 3, 0.5) or known
        raise UserError("upscaler-unknown", name=name, nearest=nearest)
