"""Which files of a hub's repository a model needs: its parts as safetensors with their configurations, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.download.plan import PICKLES, WEIGHTS, Piece, Plan, safe_name, suffix_of
from app.download.web import Web, host_of
from engines.api import NetworkError, UserError

INDEX = "model_index.json"
TEXTS = (".json", ".txt", ".model", ".jinja")  # configurations, vocabularies, tokenizers
BESIDE = ("license", "licence", "notice")  # texts of the repository that are kept with the model
UNUSED_PARTS = frozenset({"safety_checker"})  # Easel never loads it
SMALL = 64 << 20  # bytes; a configuration or a vocabulary; the largest tokenizers have 33 MB


@dataclass(frozen=True)
class Wanted:
    """A repository, and where it says more: a revision, one file of it, a variant of the weights such as fp16."""

    repository: str
    revision: str = "main"
    file: str = ""
    variant: str = ""


@dataclass(frozen=True)
class _File:
    path: str
    size: int | None
    sha256: str
    blob_id: str

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def plan_repository(web: Web, endpoint: str, wanted: Wanted, card: Mapping[str, Any] | None = None) -> Plan:
    """Ask the hub what the repository holds and choose the files. Raises `UserError` and `NetworkError` with the reason."""
    api = f"{endpoint}/api/models/{wanted.repository}/revision/{quote(wanted.revision, safe='')}?blobs=true"
    info = web.json(api)
    files, commit = _files(info, endpoint), str(info.get("sha") or wanted.revision)
    base = f"{endpoint}/{wanted.repository}/resolve/{quote(commit, safe='')}"
    if wanted.file:
        chosen = {wanted.file: safe_name(wanted.file)}
    elif INDEX in files:
        index = _index(web.text(f"{base}/{INDEX}"), endpoint)
        chosen = choose(files.values(), index, wanted.variant, wanted.repository)
    else:
        chosen = _only_file(files.values(), wanted.repository)
    if missing := [path for path in chosen if path not in files]:
        raise UserError("hub-file-unknown", file=missing[0], repository=wanted.repository)
    single = bool(wanted.file) or INDEX not in files
    pieces = tuple(_piece(files[path], place, base) for path, place in chosen.items())
    licence, address = _licence(info, endpoint, wanted.repository)
    name = next(iter(chosen.values())) if single else safe_name(wanted.repository)
    return Plan(
        title=str((card or {}).get("title") or wanted.repository.rpartition("/")[2]),
        source=f"{endpoint}/{wanted.repository}",
        revision=commit,
        name=name,
        single=single,
        pieces=pieces,
        licence=licence,
        licence_address=address,
        card=dict(card or {}),
    )


def choose(files: Iterable[_File], index: Mapping[str, Any], variant: str, repository: str) -> dict[str, str]:
    """Path in the repository to place on the disk, for a repository in the layout of diffusers."""
    files = list(files)
    parts = [name for name, entry in index.items() if _is_part(entry) and name not in UNUSED_PARTS]
    chosen = {INDEX: INDEX}
    for part in parts:
        inside = [file for file in files if file.folder == part]
        texts = {file.path: file.path for file in inside if suffix_of(file.path) in TEXTS}
        weights = _weights(inside, variant)
        if not weights and any(suffix_of(file.path) in PICKLES for file in inside):
            raise UserError("hub-no-safetensors", repository=repository, part=part)
        chosen |= {path: place for path, place in texts.items() if not _index_of_others(path, weights)} | weights
    beside = (file for file in files if "/" not in file.path and file.name.lower().startswith(BESIDE))
    return chosen | {file.path: safe_name(file.path) for file in beside if (file.size or 0) < SMALL}


def _is_part(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(each, str) for each in entry)


def _weights(inside: list[_File], variant: str) -> dict[str, str]:
    """The weights of one part: the variant where it is one file, else the plain ones, else whatever there is.

    A variant takes the plain name on the disk, where loaders look for it.
    """
    tensors = [file for file in inside if suffix_of(file.path) in WEIGHTS]
    plain = [file for file in tensors if "." not in _stem(file.name)]
    variants = [file for file in tensors if _stem(file.name).endswith(f".{variant}")] if variant else []
    if not plain and not variants:
        variants = [file for file in tensors if _stem(file.name).endswith(".fp16")] or tensors[:1]
    if len(variants) == 1:
        file = variants[0]
        first, suffix = _stem(file.name).partition(".")[0], suffix_of(file.name)
        return {file.path: f"{file.folder}/{first}{suffix}"}
    sharded = [file for file in plain if "-of-" in file.name]
    indexed = any(file.name.endswith(".safetensors.index.json") for file in inside)
    return {file.path: file.path for file in (sharded if sharded and indexed else plain)}


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _index_of_others(path: str, weights: Mapping[str, str]) -> bool:
    """Whether it is the list of shards that are not fetched: a loader that found it would look for them."""
    if ".index." not in path:
        return False
    return not path.endswith(".safetensors.index.json") or not any("-of-" in place for place in weights.values())


def _only_file(files: Iterable[_File], repository: str) -> dict[str, str]:
    models = [file for file in files if suffix_of(file.path) in WEIGHTS]
    if len(models) == 1:
        return {models[0].path: safe_name(models[0].path)}
    if not models:
        raise UserError("hub-no-safetensors", repository=repository, part="the repository")
    raise UserError("hub-which-file", repository=repository, files=[file.path for file in models[:12]])


def _files(info: Any, endpoint: str) -> dict[str, _File]:
    siblings = info.get("siblings") if isinstance(info, dict) else None
    if not isinstance(siblings, list):
        raise NetworkError("download-answer-broken", host=host_of(endpoint), why="it does not list any files")
    found = (_file(each) for each in siblings if isinstance(each, dict))
    return {file.path: file for file in found if file is not None}


def _file(entry: dict[str, Any]) -> _File | None:
    path, size, large = entry.get("rfilename"), entry.get("size"), entry.get("lfs") or {}
    if not isinstance(path, str):
        return None
    sha256 = str(large.get("sha256") or large.get("oid") or "") if isinstance(large, dict) else ""
    blob_id = "" if sha256 else str(entry.get("blobId") or "")
    return _File(path, size if isinstance(size, int) else None, sha256, blob_id)


def _piece(file: _File, place: str, base: str) -> Piece:
    try:
        return Piece(
            path=place, address=f"{base}/{quote(file.path)}", size=file.size, sha256=file.sha256, blob_id=file.blob_id
        )
    except ValueError as error:
        raise NetworkError(
            "download-answer-broken", host=host_of(base), why=f"a file is called {place[:60]!r}"
        ) from error


def _index(text: str, endpoint: str) -> dict[str, Any]:
    try:
        index = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkError("download-answer-broken", host=host_of(endpoint), why=f"{INDEX} is not JSON") from error
    if not isinstance(index, dict):
        raise NetworkError("download-answer-broken", host=host_of(endpoint), why=f"{INDEX} is not an object")
    return index


def _licence(info: dict[str, Any], endpoint: str, repository: str) -> tuple[str, str]:
    """Name and address of the licence as the repository states it."""
    facts = info.get("cardData") if isinstance(info.get("cardData"), dict) else {}
    assert isinstance(facts, dict)
    name = str(facts.get("license_name") or facts.get("license") or "")
    link = str(facts.get("license_link") or "")
    if not link.startswith("https://"):
        link = f"{endpoint}/{repository}/blob/main/{quote(link)}" if link else f"{endpoint}/{repository}"
    return name, link
