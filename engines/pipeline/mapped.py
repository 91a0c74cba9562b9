"""Parts that stay in their file: each layer is read and widened to float32 for the moment in which it works.

The system keeps the file in memory as far as there is room and takes that room back when it is needed. The numbers are the
very ones that loading the whole part would give.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from engines.identify.folders import weight_files
from engines.layout import ALIGNMENT

LAYERS = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


def map_part(part: Any, folder: Path, dtype: torch.dtype) -> Any:
    """The diffusers module `part` (on the meta device) with its large layers in the file and the rest in `dtype`.

    Raises `KeyError` when the files lack one of its tensors.
    """
    where = {name: file for file in weight_files(folder) for name in _names(file)}
    places = {
        f"{prefix}.{name}" if prefix else name: (module, name)
        for prefix, module in part.named_modules()
        for name in module._parameters
        if module._parameters[name] is not None
    }
    for file in sorted(set(where.values())):
        with safe_open(file, framework="pt", device="cpu") as opened:
            for full, (module, name) in places.items():
                if where.get(full) == file:
                    module._parameters[name] = _parameter(opened.get_tensor(full))
    missing = [full for full, (module, name) in places.items() if module._parameters[name].is_meta]
    if missing:
        raise KeyError(missing[0])
    # The pipelines ask the part for its dtype and bring their tensors to it; a mixed part would name the file's.
    part.__class__ = type(type(part).__name__, (type(part),), {"dtype": property(lambda _self: dtype)})
    return widen(part, dtype)


def widen(part: Any, dtype: torch.dtype) -> Any:
    """Let the large layers of a part compute in `dtype` and stay what they are; whatever else it holds becomes `dtype`.

    What lies at an odd place in its file is copied for the moment in which it works, so that the numbers stay the same.
    """
    kept = getattr(part, "_keep_in_fp32_modules", None) or ()
    for full, module in part.named_modules():
        own = dict(module._parameters)
        if isinstance(module, LAYERS) and not any(each in full.split(".") for each in kept):
            if any(value is not None and (value.dtype != dtype or _odd(value)) for value in own.values()):
                _widen_for_a_moment(module, dtype)
            continue
        for name, value in own.items():
            if value is not None and value.is_floating_point():
                module._parameters[name] = _parameter(_even(value, dtype))
    return part.eval().requires_grad_(False)


def _widen_for_a_moment(layer: torch.nn.Module, dtype: torch.dtype) -> None:
    """T5 asks a layer for its dtype and brings its input to it: inputs are therefore widened as well."""
    stored = {name: value for name, value in layer._parameters.items() if value is not None}

    def before(_layer: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        layer._parameters.update({name: _parameter(_even(value, dtype)) for name, value in stored.items()})
        return tuple(
            each.to(dtype) if isinstance(each, torch.Tensor) and each.is_floating_point() else each for each in args
        )

    def after(*_: Any) -> None:
        layer._parameters.update(stored)

    layer.register_forward_pre_hook(before)
    layer.register_forward_hook(after, always_call=True)


def _odd(tensor: torch.Tensor) -> bool:
    """Whether it lies where kernels take other ways and give other last bits; see `engines.layout.align`."""
    return tensor.data_ptr() % ALIGNMENT != 0


def _even(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """In `dtype`, at an even place."""
    moved = tensor.to(dtype)
    return moved.clone() if _odd(moved) else moved


def _parameter(tensor: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(tensor, requires_grad=False)


def _names(file: Path) -> list[str]:
    with safe_open(file, framework="pt", device="cpu") as opened:
        return list(opened.keys())
