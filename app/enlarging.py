"""A finished picture as a wish to make it larger: its size, its words and its model are told by the picture itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.models import ModelStore
from app.resolve import Resolved, resolve
from engines.api import GenerationRequest, UserError, picture_size, read_metadata

LARGEST_SCALE = 16


def enlarging(
    models: ModelStore,
    picture: Path,
    scale: float,
    *,
    tiled: bool = False,
    strength: float = 0.3,
    model: str | None = None,
    values: Mapping[str, Any] | None = None,
) -> Resolved:
    """The request that makes `picture` `scale` times as wide and high; `tiled` draws it anew, by `strength`, tile by tile.

    `values` win over what the picture says. Raises `UserError` for a scale that is none, or a picture that cannot be read.
    """
    if not 1 <= scale <= LARGEST_SCALE:
        raise UserError("value-out-of-range", field="scale", value=scale, low=1, high=LARGEST_SCALE)
    width, height = picture_size(picture)
    wishes: dict[str, Any] = {"width": round(width * scale), "height": round(height * scale)}
    if tiled:
        wishes |= {"tiles": {}, "strength": strength}
    return of_picture(models, "upscale", picture, {**wishes, **(values or {})}, model)


def of_picture(
    models: ModelStore, task: str, picture: Path, values: Mapping[str, Any], model: str | None = None
) -> Resolved:
    """A request that starts from `picture`, with the words and the model that it was made with where it tells them."""
    known = read_metadata(picture).request
    told = {"prompt": known.prompt, "negative_prompt": known.negative_prompt} if known else {}
    model = model or _model_of(known, models)
    return resolve(
        models=models, model=model, values={**told, "task": task, "init_image": str(picture.absolute()), **values}
    )


def _model_of(known: GenerationRequest | None, models: ModelStore) -> str | None:
    """The picture's own model while it is here; the usual one otherwise."""
    try:
        return models.get(known.model).id if known else None
    except UserError:
        return None
