"""Weights from safetensors straight into a module: each tensor is read once, into its place, in the wanted dtype.

The libraries map the file into memory and convert afterwards: for a 16-bit file on a processor both copies are then in
memory, and a part of 0.86 billion parameters takes twice as long (measured; see `easel benchmark`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from engines.errors import UserError
from engines.identify.safetensors import read_safetensors
from engines.layout import decoder_layout
from engines.records import TensorInfo
from engines.tensor_reader import Stored, TensorReader, Wanted

log = logging.getLogger(__name__)

NAME = "diffusion_pytorch_model.safetensors"
ENCODER_NAME = "model.safetensors"  # what the other library calls it
OLD_PREFIX = "text_model."  # before the names of text encoders' tensors in files that older versions of it wrote
COMPUTED = ("position_ids",)  # in old files, and made by the class itself
COUNTS = {"I64": torch.int64}  # counters of batch normalisation; they keep their dtype
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_module(
    part_class: Any,
    folder: Path,
    dtype: torch.dtype,
    device: str,
    check: Callable[[], None],
    is_decoder: bool = False,
) -> Any:
    """A module of `folder`, on `device` in `dtype`; None when its files are not plainly this module's.

    Old files with other names for their tensors, quantised ones and the like are for the library's own loader. `check`
    is called between tensors and may raise `Cancelled`. A decoder lies as `engines.layout.channels_last` would lay it.
    Source of the file format: safetensors' README.
    """
    ours = hasattr(part_class, "load_config")
    stored = _stored(folder, NAME if ours else ENCODER_NAME)
    if not stored:
        return None
    module = _empty(part_class, folder, dtype)
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    stored = stored if ours else _present_names(stored, wanted)
    if wanted != {name: each.shape for name, each in stored.items()}:
        log.info("part=%s is for the library's loader why=other tensors than the class has", folder.name)
        return None
    high = getattr(part_class, "_keep_in_fp32_modules", None) or ()
    layout = decoder_layout(wanted.values(), device) if is_decoder else torch.contiguous_format
    tensors: dict[str, Wanted] = {}
    for name in sorted(stored, key=lambda each: (stored[each].file, stored[each].start)):
        keep = dtype != torch.float32 and any(each in name.split(".") for each in high)
        own = stored[name].dtype
        tensors[name] = Wanted(stored[name], torch.float32 if keep else dtype if own.is_floating_point else own, layout)
    filled: dict[str, torch.Tensor] = {}
    with TensorReader(_common_room(tensors.values(), dtype, device)) as reader:
        for name, each in tensors.items():
            check()
            filled[name] = reader.read(each).to(device)
    module.load_state_dict(filled, strict=True, assign=True)
    return module.to(device).eval().requires_grad_(False)


def _common_room(tensors: Iterable[Wanted], dtype: torch.dtype, device: str) -> int:
    """Bytes for all tensors together; 0 where they may be replaced one by one later, and each is to make room at once.

    With a card they go there in turns; what is in 16 bits may have to become float32.
    """
    stay = device == "cpu" and dtype == torch.float32 and not torch.cuda.is_available()
    return sum(each.size for each in tensors) if stay else 0


def _empty(part_class: Any, folder: Path, dtype: torch.dtype) -> Any:
    """The module without memory for its parameters. Buffers that no file holds are made as the library makes them.

    Nothing is drawn for the parameters: on the meta device that took a millisecond for each of them, for no numbers at all.
    """
    from accelerate import init_empty_weights
    from transformers.initialization import no_init_weights

    if hasattr(part_class, "load_config"):
        config, make = part_class.load_config(folder, local_files_only=True), part_class.from_config
    else:
        config, make = part_class.config_class.from_pretrained(folder, local_files_only=True), part_class
        config.dtype = dtype
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with init_empty_weights(include_buffers=False), no_init_weights():
            return make(config)
    finally:
        torch.set_default_dtype(usual)


def _present_names(stored: dict[str, Stored], wanted: Mapping[str, object]) -> dict[str, Stored]:
    """A text encoder's tensors under the names that its class has now, without what the class computes."""
    plain = {name: each for name, each in stored.items() if name.rpartition(".")[2] not in COMPUTED}
    if plain.keys() == wanted.keys():
        return plain
    return {name.removeprefix(OLD_PREFIX): each for name, each in plain.items()}


def _stored(folder: Path, name: str) -> dict[str, Stored]:
    """All tensors of the folder by name; empty when there is something that is not plain numbers."""
    index = folder / f"{name}.index.json"
    files = [folder / name]
    if index.is_file():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        files = [folder / Path(name).name for name in sorted(names)]
    if not all(file.is_file() for file in files):
        return {}
    found = {name: each for file in files for name, each in _tensors(file)}
    plain = {*DTYPES.values(), *COUNTS.values()}
    return found if all(each.dtype in plain for each in found.values()) else {}


def _tensors(file: Path) -> Iterator[tuple[str, Stored]]:
    try:
        header = read_safetensors(file)  # checked: sizes, offsets, overlaps
    except UserError as error:
        raise ValueError(error.message.cause) from error  # whoever loads the part says which one it is
    with file.open("rb") as reading:
        length = int.from_bytes(reading.read(8), "little")
        places = json.loads(reading.read(length))
    for name, info in header.tensors.items():
        yield name, Stored(file, 8 + length + places[name]["data_offsets"][0], _dtype(info), tuple(info.shape))


def _dtype(info: TensorInfo) -> torch.dtype:
    return (DTYPES | COUNTS).get(info.dtype, torch.uint8)
