"""How a model family is told from others: by pipeline classes and configurations in folders, by tensors in weight files.

A family fills in `Detection`; `engines.identify` does the rest. Names of files never matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from engines.records import ModelHeader

Shape = tuple[int | None, ...]  # None stands for a side of any length
Shapes = Mapping[str, tuple[int, ...]]
ANY: Shape = ()  # a tensor of any shape


@dataclass(frozen=True)
class Signature:
    """Tensors that show what a file is: all of `has` with these shapes, none of `lacks`.

    Names may hold `*` for any run of characters ("blocks.*.attn2.to_k.weight"). They stand without the prefix that a
    checkpoint puts before a part ("model.diffusion_model."). Shapes are in torch's order, in GGUF files too. The weights
    of norms are the best ones to name: nobody quantises them, so that they keep their shape in every packing.
    """

    has: Mapping[str, Shape]
    lacks: tuple[str, ...] = ()

    def find(self, tensors: Shapes) -> str:
        """What fits, in words for the reasons ("x.weight is 320x768"); empty when the signature does not fit."""
        found: list[str] = []
        for name, shape in self.has.items():
            fitting = next((each for each in _named(name, tensors) if _fits(tensors[each], shape)), None)
            if fitting is None:
                return ""
            found.append(f"{fitting} is {_shown(tensors[fitting])}")
        if any(True for name in self.lacks for _ in _named(name, tensors)):
            return ""
        return ", ".join(found)


@dataclass(frozen=True)
class Variant:
    """What sets a variant of the family apart; any one of these is enough.

    `tensors` are of the denoiser, `configs` are values of a folder's part ("unet", "scheduler"; "index" is
    `model_index.json` itself), `metadata` are values in the header of a single file, as fnmatch patterns in lower case.
    For a single file, `configs` and then `settings` are laid over the family's bundled configurations. `alone` is false for
    a variant that makes no picture by itself.
    """

    tensors: tuple[Signature, ...] = ()
    pipeline_classes: frozenset[str] = frozenset()
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alone: bool = True


@dataclass(frozen=True)
class Detection:
    """How a model of the family is told from others: pipeline classes, and values that its configs must have.

    `configs` maps a part to key-value pairs of its `config.json`: {"unet": {"addition_embed_type": "text_time"}}.

    `files` maps what a weight file can be for this family to signatures, one for each layout that people pass around; any
    one that fits claims the file. Keys are the family's parts ("unet", "vae", "text_encoder_2", …), for a file that holds
    this part alone or as part of a checkpoint ("vae@both": only for models of that variant, which take no other then; empty
    when nothing but a folder has it), and the add-ons "controlnet", "ip-adapter", "embedding", "motion" and
    "lora". A LoRA is seen as the layers that it changes, with `_` for every dot and without prefix and suffix, each with
    the shape (outputs, inputs): {"*_attn2_to_k": (None, 768)} fits kohya, diffusers and PEFT files alike.

    `prefixes` says under which prefixes a single-file checkpoint keeps each part beside the denoiser; a part whose prefixes
    do not occur is missing from the file. `names` are patterns (lower case) of what trainers call the family in a header's
    text; they settle what the tensors leave open, and nothing else. `variants` is keyed by "inpaint", "edit",
    "v-prediction", "refiner", "turbo", ….
    """

    pipeline_classes: frozenset[str]
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, tuple[Signature, ...]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def matches(self, header: ModelHeader) -> bool:
        """Whether the header of a diffusers folder is one of this family's."""
        if header.pipeline_class not in self.pipeline_classes:
            return False
        return all(
            header.configs.get(part, {}).get(key) == value
            for part, wanted in self.configs.items()
            for key, value in wanted.items()
        )


def _named(name: str, tensors: Shapes) -> Iterable[str]:
    if "*" not in name:
        return (name,) if name in tensors else ()
    return (each for each in tensors if fnmatchcase(each, name))


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    if wanted == ANY:
        return True
    return len(shape) == len(wanted) and all(want in (None, side) for side, want in zip(shape, wanted, strict=True))


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"
