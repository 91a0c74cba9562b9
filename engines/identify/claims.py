"""Which family a file is for: every family's own signatures are asked, and nobody else knows anything of families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from engines.detection import Shapes, Variant
from engines.family import EngineFamily
from engines.identify.kinds import Kind
from engines.identify.layers import lora_layers
from engines.identify.structure import denoiser_tensors, plain_names
from engines.records import ModelHeader, TensorInfo, WeightsHeader

TEXT_KEYS = ("modelspec.architecture", "ss_base_model_version", "general.architecture", "modelspec.implementation")


@dataclass(frozen=True)
class Claim:
    """A family that recognises a file as one of its `part`s, and by which tensors."""

    family: EngineFamily
    part: str
    why: str


def parts_for(kind: Kind, family: EngineFamily) -> Iterator[str]:
    """The keys of the family's signatures that are about files of this kind."""
    addons = {Kind.LORA, Kind.EMBEDDING, Kind.CONTROLNET, Kind.IP_ADAPTER, Kind.T2I_ADAPTER, Kind.MOTION}
    for part in family.detection.files:
        if kind in (Kind.CHECKPOINT, Kind.DENOISER):
            if part == family.denoiser:
                yield part
        elif kind in addons:
            if part == kind:
                yield part
        elif kind is Kind.VAE:
            if part.startswith("vae"):
                yield part
        elif kind in (Kind.TEXT_ENCODER, Kind.LANGUAGE_MODEL):
            if part.startswith("text_encoder"):
                yield part
        elif kind is Kind.IMAGE_ENCODER and part.startswith("image_encoder"):
            yield part


def claims(kind: Kind, header: WeightsHeader, families: Iterable[EngineFamily]) -> tuple[Claim, ...]:
    """Every family and part that fits; where more than one family does, the text in the header may settle it."""
    shapes = view(kind, header.tensors)
    found = [
        Claim(family, part, why)
        for family in families
        for part in parts_for(kind, family)
        if (why := next((why for each in family.detection.files[part] if (why := each.find(shapes))), ""))
    ]
    if kind in (Kind.VAE, Kind.TEXT_ENCODER, Kind.LANGUAGE_MODEL, Kind.IMAGE_ENCODER):
        return tuple(found)
    named = [claim for claim in found if is_named(claim.family, header.metadata)]
    return tuple(named if named and len(named) < len(found) else found)


def view(kind: Kind, tensors: Mapping[str, TensorInfo]) -> Shapes:
    """The tensors as signatures of this kind name them."""
    if kind is Kind.LORA:
        return lora_layers(tensors)
    if kind is Kind.EMBEDDING:
        return _vectors(tensors)
    if kind is Kind.CONTROLNET:
        found = {
            name.removeprefix("control_model.").removeprefix("controlnet."): info for name, info in tensors.items()
        }
    elif kind in (Kind.VAE, Kind.TEXT_ENCODER, Kind.LANGUAGE_MODEL):
        found = plain_names(tensors)
    elif kind in (Kind.CHECKPOINT, Kind.DENOISER):
        found = denoiser_tensors(tensors)
    else:
        found = tensors
    return {name: info.shape for name, info in found.items()}


def _vectors(tensors: Mapping[str, TensorInfo]) -> Shapes:
    """Embeddings as (words, width); a lone matrix is called `emb_params`, as A1111 calls it."""
    shapes = {name: info.shape if len(info.shape) == 2 else (1, *info.shape) for name, info in tensors.items()}
    return {"emb_params": next(iter(shapes.values()))} if len(shapes) == 1 else shapes


def is_named(family: EngineFamily, metadata: Mapping[str, object]) -> bool:
    """Whether the text in the header names the family; only trusted where the tensors leave a choice."""
    texts = [str(metadata[key]).casefold() for key in TEXT_KEYS if key in metadata]
    return any(fnmatchcase(text, pattern) for text in texts for pattern in family.detection.names)


def variants_of_file(family: EngineFamily, kind: Kind, header: WeightsHeader) -> tuple[str, ...]:
    """The family's variants that the file belongs to."""
    shapes = view(kind, header.tensors)
    return tuple(
        name for name, variant in family.detection.variants.items() if _is_variant(variant, shapes, header.metadata)
    )


def _is_variant(variant: Variant, shapes: Shapes, metadata: Mapping[str, object]) -> bool:
    if any(signature.find(shapes) for signature in variant.tensors):
        return True
    return any(fnmatchcase(str(metadata.get(key, "")).casefold(), want) for key, want in variant.metadata.items())


def variants_of_folder(family: EngineFamily, header: ModelHeader) -> tuple[str, ...]:
    """The family's variants that the diffusers folder belongs to."""

    def fits(variant: Variant) -> bool:
        if header.pipeline_class in variant.pipeline_classes:
            return True
        wanted = [(part, key, value) for part, values in variant.configs.items() for key, value in values.items()]
        return any(header.configs.get(part, {}).get(key) == value for part, key, value in wanted)

    return tuple(name for name, variant in family.detection.variants.items() if fits(variant))
