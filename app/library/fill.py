"""Parts that a file lacks, and the files on this machine that have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.library.shelf import ModelFile
from app.library.words import program_tokenizers
from app.paths import STARTER
from engines.api import EngineFamily, Kind, bundled_tokenizer, families, family

PARTS = (Kind.VAE, Kind.TEXT_ENCODER, Kind.IMAGE_ENCODER)
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
    "preprocessor_config.json",
    "processor_config.json",
)


def fillers(model: ModelFile, part: str, files: Sequence[ModelFile]) -> tuple[Path, ...]:
    """Files and folders that have `part` for the model, the likeliest first.

    Folders and checkpoints of the family itself come first, then lone files that fit the fewest families; among equals those
    that lie nearest to the model. The starter lends nothing: it is of a size that no other model has.
    """
    wanted = family(model.family).as_variant(model.identified.variants)
    lenders = [each for each in files if not each.problem and not each.path.is_relative_to(STARTER)]
    found = [(rank, each, place) for each in lenders for rank, place in _offers(each, wanted, part)]
    found.sort(key=lambda offer: (offer[0], -_common(offer[1].path, model.path), str(offer[2])))
    return tuple(place for _rank, _file, place in found if place != model.path)


def _offers(file: ModelFile, wanted: EngineFamily, part: str) -> Iterable[tuple[int, Path]]:
    found, own = file.identified, file.family == wanted.id
    name = part_name(wanted, part, wanted.variants)
    same = own and part_name(wanted, part, found.variants) == name
    if file.kind is Kind.FOLDER and same and (file.path / part).is_dir():
        yield 0, file.path / part
    elif part == wanted.second_denoiser:
        if own and file.kind is Kind.DENOISER and found.variants == wanted.variants:
            yield 1, file.path
    elif file.kind is Kind.CHECKPOINT and same and part not in found.missing:
        yield 1, file.path
    elif file.kind in PARTS and (wanted.id, name) in found.fits and found.format == "safetensors":
        yield 1 + len({fit for fit, _part in found.fits}), file.path


def part_name(wanted: EngineFamily, part: str, variants: Iterable[str]) -> str:
    """The part as the family's signatures call it: some variants have another one than the plain family ("vae@both")."""
    names = (f"{part}@{variant}" for variant in variants)
    return next((name for name in names if name in wanted.detection.files), part)


def _common(path: Path, beside: Path) -> int:
    return sum(1 for one, other in zip(path.parts, beside.parts, strict=False) if one == other)


def tokenizer_sources(wanted: EngineFamily, files: Sequence[ModelFile]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Where the family's tokenizers come from that Easel does not bring, and those that nobody here has."""
    assert wanted.single_file is not None
    sources: dict[str, Path] = {}
    missing: list[str] = []
    for part, kind in wanted.single_file.tokenizers.items():
        if part not in wanted.parts or bundled_tokenizer(kind):
            continue
        place = next(_tokenizers(kind, files), None)
        if place is not None:
            sources[part] = place
        elif part not in wanted.optional_parts:
            missing.append(part)
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
    yield from program_tokenizers((file.root for file in files), kind)


def sources_of(
    file: ModelFile, files: Sequence[ModelFile], chosen: dict[str, Path]
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """For a checkpoint or a lone denoiser: where each missing part is taken from, and the parts that nobody here has.

    `chosen` are the person's own choices by part; they win when they are there. Parts that the model can do without are taken
    by choice alone.
    """
    wanted = family(file.family).as_variant(file.identified.variants)
    sources, missing = tokenizer_sources(wanted, files)
    for part in file.identified.missing:
        places = (chosen[part],) if part in chosen and chosen[part].exists() else fillers(file, part, files)
        if places:
            sources[part] = places[0]
        else:
            missing = (*missing, part)
    sources |= {part: chosen[part] for part in file.identified.optional if part in chosen and chosen[part].exists()}
    return sources, missing
