"""The files beside the model that a request names: LoRAs and such, found by name, of the model's own family."""

from __future__ import annotations

import difflib
from pathlib import Path

from app.models import ModelFile, ModelStore
from engines.api import GenerationRequest, Kind, ModelRecord, UserError, families, family, used_loras

MOST_LORAS = 16  # each costs memory and a little of every step
UNKNOWN = {Kind.LORA: "lora-unknown"}


def addon_files(request: GenerationRequest, record: ModelRecord, models: ModelStore) -> dict[str, Path]:
    """The files by the names under which the engine looks for them.

    Raises `UserError` for a name that is unknown, with the nearest ones, and for a file of another family, with both names.
    """
    found: dict[str, Path] = {}
    prompts = [prompt for prompt, _negative in request.texts] or [request.prompt]
    loras = {use.file: use for prompt in prompts for use in used_loras(request, prompt)}.values()
    if len(loras) > MOST_LORAS:
        raise UserError("loras-too-many", count=len(loras), limit=MOST_LORAS)
    for use in loras:
        found[use.file] = _fitting(use.file, Kind.LORA, record, models).path
    return found


def _fitting(name: str, kind: Kind, record: ModelRecord, models: ModelStore) -> ModelFile:
    file = models.find_file(name, kind)
    if file is None:
        models.rescan()
        file = models.find_file(name, kind)
    if file is None:
        known = [each.name for each in models.files(kind)]
        nearest = difflib.get_close_matches(name, known, 3, 0.4) or known[:5]
        raise UserError(UNKNOWN[kind], name=name, nearest=nearest or "none")
    if file.problem is not None:
        raise UserError("addon-broken", kind=str(kind), name=file.name, why=file.problem.cause)
    _check_family(file, record)
    return file


def _check_family(file: ModelFile, record: ModelRecord) -> None:
    made_for = {file.family, *dict(file.identified.fits)} - {""}
    if made_for and record.family not in made_for:
        titles = [each.title for each in families() if each.id in made_for]
        raise UserError(
            "addon-wrong-family",
            kind=str(file.kind),
            name=file.name,
            made_for=titles,
            model=record.title,
            family=family(record.family).title,
        )
