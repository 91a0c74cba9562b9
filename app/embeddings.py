"""The embeddings (textual inversions) that a prompt names, by the names of their files, as A1111's users do."""

from __future__ import annotations

from pathlib import Path

from app.models import ModelStore
from app.named_files import fitting
from engines.api import (
    Kind,
    ModelRecord,
    UserError,
    family_of,
    is_ordinary_word,
    named_embeddings,
    used_embeddings,
)

PICKLE_LIMIT = 4 << 20  # bytes: a pickle as small as an embedding, with the name that the prompt has, is one


def known_embeddings(record: ModelRecord, models: ModelStore) -> dict[str, Path]:
    """The embeddings for the model, by name."""
    if not family_of(record).text.weights:
        return {}
    files = models.files(Kind.EMBEDDING, record.family)
    return {file.name: file.path for file in reversed(files) if file.problem is None}


def embedding_files(text: str, record: ModelRecord, models: ModelStore) -> dict[str, Path]:
    """The files of the embeddings in `text`, by name.

    A name after `embedding:` must be one; a word is one when a file for the model has that name.

    Raises `UserError` for a name that is unknown or for other models, and for a word that is nothing but the name of such a file.
    """
    named = named_embeddings(text)
    if not family_of(record).text.weights:
        if named:
            raise UserError("embeddings-not-for-family", name=named[0], family=family_of(record).title)
        return {}
    found = used_embeddings(text, known_embeddings(record, models))
    for name in named:
        if name.casefold() not in {each.casefold() for each in found}:
            found[name] = fitting(name, Kind.EMBEDDING, record, models).path
    _refuse_others(text, record, models, {each.casefold() for each in found})
    return found


def _refuse_others(text: str, record: ModelRecord, models: ModelStore, found: set[str]) -> None:
    """Names of files that would be read as letters: an embedding for other models, or one that is a pickle."""
    others = {file.name: file for file in models.files(Kind.EMBEDDING)}
    others |= {file.name: file for file in models.files(Kind.PICKLE) if file.size <= PICKLE_LIMIT}
    others = {name: file for name, file in others.items() if name.casefold() not in found}
    for name, file in used_embeddings(text, others).items():
        if is_ordinary_word(name):
            continue
        if file.kind is Kind.PICKLE:
            raise UserError("model-pickle", model=file.path.name)
        fitting(name, Kind.EMBEDDING, record, models)
