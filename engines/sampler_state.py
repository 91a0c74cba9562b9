"""A sampler's memory between two steps as plain tensors and JSON: what a checkpoint needs, without pickle."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engines.errors import InternalError

# Made again by the constructor, by `set_timesteps` or by `seed_sampler`, to the same values.
RECREATED = {
    "alphas",
    "alphas_cumprod",
    "alpha_t",
    "betas",
    "final_alpha_cumprod",
    "init_noise_sigma",
    "lambda_t",
    "log_sigmas",
    "noise_sampler",
    "noise_sampler_seed",
    "one",
    "sigma_t",
    "sigmas",
    "timesteps",
    "_timesteps",
}


def capture(scheduler: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors by name and a JSON-able description of every attribute that steps may change.

    Raises `InternalError` for a kind of value that it does not know: a checkpoint that forgets something is worse than none.
    """
    tensors: dict[str, torch.Tensor] = {}
    values = {name: _pack(value, name, tensors) for name, value in vars(scheduler).items() if _is_state(name, value)}
    return tensors, values


def restore(scheduler: Any, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
    """Put the captured state into a scheduler that was made and given its timesteps in the same way."""
    device = getattr(scheduler.timesteps, "device", "cpu")
    for name, packed in values.items():
        setattr(scheduler, name, _unpack(packed, tensors, device))


def _is_state(name: str, value: Any) -> bool:
    return name not in RECREATED and name != "_internal_dict" and not callable(value)


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case torch.Tensor():
            # A copy: safetensors refuses views of one storage, and the next step may write into it.
            tensors[name] = value.detach().clone().contiguous().cpu()
            return {"tensor": name, "device": value.device.type}
        case np.ndarray():
            tensors[name] = torch.from_numpy(value.copy())
            return {"array": name}
        case np.generic():
            return {"scalar": value.dtype.name, "value": value.item()}
        case list() | tuple():
            items = [_pack(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
            return {"list": items} if isinstance(value, list) else {"tuple": items}
        case _:
            raise InternalError("internal", what=f"a sampler keeps a {type(value).__name__} in {name}")


def _unpack(packed: Any, tensors: dict[str, torch.Tensor], device: Any) -> Any:
    match packed:
        case {"tensor": name, "device": kept}:
            return tensors[name].to(kept if kept == "cpu" else device)
        case {"array": name}:
            return tensors[name].cpu().numpy()
        case {"scalar": dtype, "value": value}:
            return np.dtype(dtype).type(value)
        case {"list": items}:
            return [_unpack(item, tensors, device) for item in items]
        case {"tuple": items}:
            return tuple(_unpack(item, tensors, device) for item in items)
        case _:
            return packed
