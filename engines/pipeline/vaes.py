"""Other VAEs than the model's own: read from a file, put into every pipeline, and the own one put back."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate.hooks import add_hook_to_module
from safetensors import SafetensorError
from safetensors.torch import load_file

from engines.errors import EaselError, UserError
from engines.identify.structure import plain_names
from engines.layout import align, channels_last
from engines.pipeline.turns_in_memory import Stay

log = logging.getLogger(__name__)

# Attention as diffusers named it before 2023; files of that time are still passed around.
OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


class VaeChoice:
    """The VAE in use by one loaded model. One beside the own stays in memory."""

    def __init__(self, own: Any, device: str, family: str) -> None:
        self._own, self._device, self._family = own, device, family
        self._key: tuple[str, int, int] | None = None
        self._other: Any = None
        self.hash = ""  # of the file in use, as infotexts have it; empty for the model's own
        self._other_hash = ""
        self.loads = 0

    def use(self, name: str, path: Path | None, pipelines: Iterable[Any]) -> Any:
        """The VAE called `name` ("" for the model's own), now in all `pipelines`. Raises `UserError`."""
        vae = self._own if not name else self._read(name, path)
        self.hash = self._other_hash if name else ""
        for pipe in pipelines:
            if pipe.vae is not vae:
                pipe.vae = vae
        return vae

    def _read(self, name: str, path: Path | None) -> Any:
        if path is None or not path.is_file():
            raise UserError("vae-missing", name=name)
        facts = path.stat()
        key = (str(path), facts.st_size, facts.st_mtime_ns)
        if key != self._key:
            self._key, self._other = None, None  # the old one's memory is free before the new one's is taken
            self._other = read_vae(name, path, self._own, self._device, self._family)
            with path.open("rb") as file:
                self._other_hash = hashlib.file_digest(file, "sha256").hexdigest()[:10]
            self._key = key
            self.loads += 1
        return self._other


def read_vae(name: str, path: Path, own: Any, device: str, family: str) -> Any:
    """The file's VAE on the device, of the class of the model's `own`.

    `family` is the title of the model's. Raises `UserError("vae-broken")`, or `UserError("vae-not-for-model")` with what
    does not fit, and the families of both.
    """
    try:
        tensors: dict[str, torch.Tensor] = plain_names(load_file(path))  # pyright: ignore
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise UserError("vae-broken", name=name, why=_first_line(error)) from error
    try:
        vae = _filled(name, tensors, own)
    except EaselError:
        raise
    except Exception as error:  # the converters raise whatever they like for names that they do not find
        raise UserError(
            "vae-not-for-model", name=name, why=_first_line(error), family=family, made_for=_made_for(path)
        ) from error
    log.info("vae loaded name=%s", name)
    if isinstance(getattr(own, "_hf_hook", None), Stay):  # where some parts take turns, the pipelines ask every part
        add_hook_to_module(vae, Stay())
    return channels_last(align(vae.to(device).eval().requires_grad_(False)))


def _made_for(path: Path) -> str:
    """The families that such a file belongs to, by its header."""
    from engines.identify import identify
    from engines.registry import REGISTRY

    titles = {each.id: each.title for each in REGISTRY.all()}
    fits = dict.fromkeys(titles[key] for key, _part in identify(path, REGISTRY.all()).fits)
    return " or ".join(fits) or "no family that Easel knows"


def _filled(name: str, tensors: dict[str, torch.Tensor], own: Any) -> Any:
    with torch.device("meta"):
        vae = type(own).from_config(own.config)
    wanted = {key: tuple(value.shape) for key, value in vae.state_dict().items()}
    tensors = {key: tensor for key, tensor in _own_names(tensors, own).items() if tensor is not None}
    _check_channels(tensors, wanted)
    missing = sorted(wanted.keys() - tensors.keys())
    if missing:
        raise ValueError(f"{len(missing)} of its {len(wanted)} layers are not in the file, {missing[0]} for instance")
    for key, shape in wanted.items():
        if tuple(tensors[key].shape) != shape:
            raise ValueError(f"{key} has the shape {tuple(tensors[key].shape)}, and the model needs {shape}")
        if not torch.isfinite(tensors[key].float()).all():
            raise UserError("vae-broken", name=name, why=f"{key} has values that are not numbers")
    vae.load_state_dict({key: tensors[key].to(own.dtype) for key in wanted}, assign=True)
    return vae


def _own_names(tensors: dict[str, torch.Tensor], own: Any) -> dict[str, torch.Tensor]:
    """The tensors as diffusers names them, from the original code's names or from older ones."""
    if any(key.startswith(("decoder.mid.", "encoder.down.")) for key in tensors):
        from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

        return convert_ldm_vae_checkpoint(tensors, dict(own.config))
    found = {}
    for key, tensor in tensors.items():
        new = key
        if "attentions" in key:
            new = next((key.replace(old, now) for old, now in OLD_NAMES.items() if old in key), key)
        found[new] = tensor.reshape(tensor.shape[:2]) if new != key and tensor.dim() == 4 else tensor
    return found


def _check_channels(tensors: dict[str, torch.Tensor], wanted: dict[str, tuple[int, ...]]) -> None:
    key = "decoder.conv_in.weight"
    if key in tensors and key in wanted and tensors[key].shape[1] != wanted[key][1]:
        found, needed = tensors[key].shape[1], wanted[key][1]
        raise ValueError(f"its latents have {found} channels, and the model's have {needed}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
