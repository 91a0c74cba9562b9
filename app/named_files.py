"""A file beside the model, by the name that a person or a prompt gives it, and of the model's own family."""

from __future__ import annotations

import difflib

from app.models import ModelFile, ModelStore
from engines.api import Kind, ModelRecord, UserError, families, family

UNKNOWN = {
    Kind.LORA: "lora-unknown",
    Kind.EMBEDDING: "embedding-unknown",
    Kind.CONTROLNET: "controlnet-unknown",
    Kind.VAE: "vae-unknown",
    Kind.IP_ADAPTER: "ip-adapter-unknown",
}


def fitting(name: str, kind: Kind, record: ModelRecord, models: ModelStore) -> ModelFile:
    """The file of this kind and name, for the model. Raises `UserError` with what is nearest, or why it does not fit."""
    file = models.find_file(name, kind, record.family)
    if file is None:
        models.rescan()
        file = models.find_file(name, kind, record.family)
    if file is None:
        refuse_pickle(name, models)
        known = [each.name for each in models.files(kind)]
        nearest = difflib.get_close_matches(name, known, 3, 0.4) or known[:5]
        raise UserError(UNKNOWN[kind], name=name, nearest=nearest or "none")
    if file.problem is not None:
        raise UserError("addon-broken", kind=str(kind), name=file.name, why=file.problem.cause)
    _check_family(file, record)
    return file


def refuse_pickle(name: str, models: ModelStore) -> None:
    """Raises `UserError("model-pickle")` when the only file of that name is one: it is there, and why it is not used is told."""
    if (file := models.find_file(name, Kind.PICKLE)) is not None:
        raise UserError("model-pickle", model=file.path.name)


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
