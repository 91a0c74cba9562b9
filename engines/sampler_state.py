"""The state of a sampler in the middle of a picture, as plain tensors and JSON: no pickle, same bytes after a restart."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from engines.errors import InternalError
from engines.layout import strides_of, with_strides

# `_internal_dict` is the configuration, which create_sampler makes again. `noise_sampler` is DPM++ SDE's Brownian tree:
# what it gives depends on its seed and the asked interval alone (a test proves it), and it is planted again on demand.
MADE_AGAIN = frozenset({"_internal_dict", "noise_sampler", "scale_noise"})


def capture(scheduler: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """All that the scheduler remembers: tensors on the CPU by name, and a JSON-able description of every attribute.

    InternalError for an attribute that cannot be written down: a picture must not go on with half a state.
    """
    tensors: dict[str, torch.Tensor] = {}
    values = {
        name: _pack(value, name, scheduler, tensors)
        for name, value in vars(scheduler).items()
        if _is_state(scheduler, name)
    }
    return tensors, values


def restore(scheduler: Any, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
    """Put the scheduler where `capture` found its twin.

    It must come from the same create_sampler, seed_sampler and set_timesteps calls; tensors that were on the run's
    device go to the device of its timesteps.
    """
    device = getattr(scheduler.timesteps, "device", "cpu")
    for name in [name for name in vars(scheduler) if _is_state(scheduler, name) and name not in values]:
        delattr(scheduler, name)
    for name, value in values.items():
        setattr(scheduler, name, _unpack(value, tensors, device))


def _is_state(scheduler: Any, name: str) -> bool:
    # A method that was replaced on the instance (a wrapped `step`, a planned `set_timesteps`) is no state.
    return name not in MADE_AGAIN and not callable(getattr(type(scheduler), name, None))


def _pack(value: Any, path: str, scheduler: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}  # JSON has no infinity
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": path, "on_device": value.device.type != "cpu", "strides": strides_of(value)}
    if isinstance(value, np.ndarray | np.generic):
        tensors[path] = torch.from_numpy(np.array(value))
        return {"array": path, "scalar": isinstance(value, np.generic)}
    if isinstance(value, list | tuple | deque):
        items = [_pack(item, f"{path}.{index}", scheduler, tensors) for index, item in enumerate(value)]
        return {type(value).__name__: items, "maxlen": getattr(value, "maxlen", None)}
    kind = f"{type(scheduler).__name__}.{path} is a {type(value).__name__}"
    raise InternalError("internal", what=f"The sampler's state cannot be kept: {kind}.")


def _unpack(value: Any, tensors: Mapping[str, torch.Tensor], device: Any) -> Any:
    match value:
        case {"float": text}:
            return float.fromhex(text)
        case {"tensor": path, "on_device": on_device, "strides": strides}:
            return with_strides(tensors[path], strides, device if on_device else "cpu")
        case {"array": path, "scalar": scalar}:
            array = tensors[path].numpy().copy()
            return array[()] if scalar else array
        case {"list": items}:
            return [_unpack(item, tensors, device) for item in items]
        case {"tuple": items}:
            return tuple(_unpack(item, tensors, device) for item in items)
        case {"deque": items, "maxlen": maxlen}:
            return deque((_unpack(item, tensors, device) for item in items), maxlen)
    return value
