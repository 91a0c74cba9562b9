"""The ControlNets of one loaded model: read once, kept while they are in use, refused when they do not fit."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engines.errors import EaselError, UserError
from engines.layout import align
from engines.pipeline.controls.kinds import ControlKind

log = logging.getLogger(__name__)

KEPT = 2  # networks beyond those in use; one has 0.7 GB for SD 1.5 and 2.5 for SDXL, in 16 bits
SHOWN = 3  # names in a message


class ControlNets:
    """Networks by file. `loads` counts how often one was read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], Any] = OrderedDict()
        self.loads = 0

    def get(self, name: str, path: Path | None, kind: ControlKind, denoiser: Any, device: str, dtype: Any) -> Any:
        """The network of the file, on the device. Raises `UserError` for one that is missing, broken or does not fit."""
        if path is None or not path.is_file():
            raise UserError("controlnet-missing", name=name)
        facts = path.stat()
        key = (str(path), facts.st_size, facts.st_mtime_ns)
        if key not in self._kept:
            self._kept[key] = read_net(name, path, kind, denoiser, device, dtype)
            self.loads += 1
        self._kept.move_to_end(key)
        return self._kept[key]

    def all(self) -> list[Any]:
        """Those that are kept now."""
        return list(self._kept.values())

    def forget_beyond(self, used: int) -> None:
        """Let go of networks that were not among the last `used` ones, but for a few."""
        while len(self._kept) > max(used, KEPT):
            self._kept.popitem(last=False)


def read_net(name: str, path: Path, kind: ControlKind, denoiser: Any, device: str, dtype: Any) -> Any:
    """The network of a file. Raises `UserError("controlnet-broken")` or `UserError("controlnet-not-for-model")`."""
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise UserError("controlnet-broken", name=name, why=_first_line(error)) from error
    try:
        net, tensors = kind.build(denoiser, tensors)
        check_fit(net, tensors)
    except EaselError:
        raise
    except Exception as error:  # the converters raise whatever they like for names that they do not find
        raise UserError("controlnet-not-for-model", name=name, why=_first_line(error)) from error
    _check_numbers(name, tensors)
    net.load_state_dict({key: tensor.to(dtype) for key, tensor in tensors.items()}, assign=True)
    log.info("controlnet loaded name=%s tensors=%d", name, len(tensors))
    return align(net.to(device).eval().requires_grad_(False))


def check_fit(net: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Raises `ValueError` that names the first things that differ."""
    wanted = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    missing, extra = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    if missing or extra:
        named = ", ".join(sorted(missing or extra)[:SHOWN])
        raise ValueError(f"{len(missing)} of its layers are missing and {len(extra)} are too many: {named}")
    for key, shape in wanted.items():
        if tuple(tensors[key].shape) != shape:
            raise ValueError(f"{key} has the shape {tuple(tensors[key].shape)}, and the model needs {shape}")


def _check_numbers(name: str, tensors: dict[str, torch.Tensor]) -> None:
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor.float()).all():
            raise UserError("controlnet-broken", name=name, why=f"{key} has values that are not numbers")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
