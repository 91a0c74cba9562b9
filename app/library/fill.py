"""Parts that a file lacks, and the files on this machine that have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.library.shelf import ModelFile
from engines.api import EngineFamily, Kind, bundled_tokenizer, families, family

PARTS = (Kind.VAE, Kind.TEXT_ENCODER, Kind.IMAGE_ENCODER)
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")


def fillers(family_id: str, part: str, files: Sequence[ModelFile], beside: Path | None = None) -> tuple[Path, ...]:
    """Files and folders that have `part` for a model of the family, the likeliest first.

    Folders and checkpoints of the family itself come first, then lone files that fit the fewest families; among equals those
    that lie nearest to `beside`.
    """
    found = [
        (rank, each, place) for each in files if not each.problem for rank, place in _offers(each, family_id, part)
    ]
    found.sort(key=lambda offer: (offer[0], -_common(offer[1].path, beside), str(offer[2])))
    return tuple(place for _rank, _file, place in found)


def _offers(file: ModelFile, family_id: str, part: str) -> Iterable[tuple[int, Path]]:
    if file.kind is Kind.FOLDER and file.family == family_id and (file.path / part).is_dir():
        yield 0, file.path / part
    elif file.kind is Kind.CHECKPOINT and file.family == family_id and part not in file.identified.missing:
        yield 1, file.path
    elif file.kind in PARTS and (family_id, part) in file.identified.fits and file.identified.format == "safetensors":
        yield 1 + len({fit for fit, _part in file.identified.fits}), file.path


def _common(path: Path, beside: Path | None) -> int:
    if beside is None:
        return 0
    return sum(1 for one, other in zip(path.parts, beside.parts, strict=False) if one == other)


def tokenizer_sources(wanted: EngineFamily, files: Sequence[ModelFile]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Where the family's tokenizers come from that Easel does not bring, and those that nobody here has."""
    assert wanted.single_file is not None
    sources: dict[str, Path] = {}
    missing: list[str] = []
    for part, kind in wanted.single_file.tokenizers.items():
        if bundled_tokenizer(kind):
            continue
        place = next(_tokenizers(kind, files), None)
        if place is None:
            missing.append(part)
        else:
            sources[part] = place
    return sources, tuple(missing)


def _tokenizers(kind: str, files: Sequence[ModelFile]) -> Iterator[Path]:
    parts = {
        each.id: [part for part, other in each.single_file.tokenizers.items() if other == kind]
        for each in families()
        if each.single_file
    }
    for file in files:
        if file.kind is not Kind.FOLDER or file.problem:
            continue
        for part in parts.get(file.family, ()):
            if any((file.path / part / name).is_file() for name in TOKENIZER_FILES):
                yield file.path / part


def sources_of(
    file: ModelFile, files: Sequence[ModelFile], chosen: dict[str, Path]
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """For a checkpoint or a lone denoiser: where each missing part is taken from, and the parts that nobody here has.

    `chosen` are the person's own choices by part; they win when they are there.
    """
    wanted = family(file.family).as_variant(file.identified.variants)
    sources, missing = tokenizer_sources(wanted, files)
    for part in file.identified.missing:
        places = (
            (chosen[part],)
            if part in chosen and chosen[part].exists()
            else fillers(file.family, part, files, file.path)
        )
        if places:
            sources[part] = places[0]
        else:
            missing = (*missing, part)
    return sources, missing
