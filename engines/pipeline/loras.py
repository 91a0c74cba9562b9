"""LoRAs on a loaded model: brought in once, weighted anew for each picture, taken off without a trace."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from engines.errors import UserError
from engines.options import LoraUse
from engines.pipeline.precision import looking_wide

log = logging.getLogger(__name__)

PEFT_PREFIX = "base_model.model."
KEPT = 8  # LoRAs that stay on the model while others are used; each costs its own size, some 20 to 200 MB
BYTE_LIMIT = 4 << 30  # bytes of one LoRA file; the largest in use have under 2 GB


class LoraStack:
    """The LoRAs of one loaded model. Weights change without loading, a broken file leaves the model as it was."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, str] = OrderedDict()  # adapter name -> hash
        self._places: dict[tuple[str, int, int], tuple[str, str]] = {}  # file as it was -> adapter name, hash
        self.loads = 0
        self.words: tuple[tuple[str, float], ...] = ()  # what weighs on the text encoders now
        self.state: object = ()  # what weighs on the denoiser now, in an order that does not depend on the wish

    def use(self, pipe: Any, uses: Sequence[LoraUse], files: Mapping[str, Path]) -> dict[str, str]:
        """Make exactly `uses` hold on the parts of `pipe`; the hash of each by name (12 hex, as A1111 counts it).

        `files` maps the names to files. Raises `UserError` for a file that is missing, broken or made for other models.
        """
        if not uses:
            self._rest(pipe)
            self.words = self.state = ()
            return {}
        if not hasattr(pipe, "load_lora_weights"):
            raise UserError("lora-not-for-model", lora=uses[0].file)
        adapters = [self._adapter(pipe, use, files) for use in uses]
        self._forget_beyond(pipe, {name for name, _hash in adapters})
        pipe.enable_lora()
        weights: dict[str, dict[str, float]] = {}
        # In the order of their names: sums of floats depend on it, and the same LoRAs in another order are the same wish.
        for (name, _hash), use in sorted(zip(adapters, uses, strict=True), key=lambda each: each[0]):
            weights[name] = _added(weights.get(name, {}), _weights(pipe, use))
        pipe.set_adapters(list(weights), [dict(each) for each in weights.values()])
        self.state = tuple((name, tuple(sorted(each.items()))) for name, each in weights.items())
        text = [name for part, names in pipe.get_list_adapters().items() if part.startswith("text_") for name in names]
        self.words = tuple((name, weights[name].get("text_encoder", 0.0)) for name in weights if name in text)
        return {use.file: hash_ for use, (_name, hash_) in zip(uses, adapters, strict=True)}

    def _rest(self, pipe: Any) -> None:
        """Nothing is in use: the model computes as if nothing had ever been loaded."""
        if self._loaded:
            pipe.disable_lora()

    def _adapter(self, pipe: Any, use: LoraUse, files: Mapping[str, Path]) -> tuple[str, str]:
        """Adapter name and hash of the LoRA's file, loaded now if need be."""
        path = files.get(use.file)
        if path is None or not path.is_file():
            raise UserError("lora-missing", lora=use.file)
        facts = path.stat()
        key = (str(path), facts.st_size, facts.st_mtime_ns)
        name, hash_ = self._places.get(key, ("", ""))
        if name not in self._loaded:
            tensors, hash_ = read_lora(path)
            name = adapter_name(path, hash_)
            if name not in self._loaded:
                self._load(pipe, path, name, tensors)
            self._loaded[name] = hash_
            self._places[key] = (name, hash_)
        self._loaded.move_to_end(name)
        return name, hash_

    def _load(self, pipe: Any, path: Path, name: str, tensors: dict[str, torch.Tensor]) -> None:
        try:
            with looking_wide(pipe):
                pipe.load_lora_weights(with_part_names(tensors, pipe._lora_loadable_modules), adapter_name=name)
        except Exception as error:  # the loaders raise whatever they like for layers that do not fit
            self._take_off(pipe, name)
            raise UserError("lora-broken", lora=path.stem, why=_first_line(error)) from error
        if name not in _adapters_of(pipe):
            self._take_off(pipe, name)
            raise UserError("lora-fits-nothing", lora=path.stem)
        self.loads += 1
        log.info("lora loaded name=%s tensors=%d", name, len(tensors))

    def _take_off(self, pipe: Any, name: str) -> None:
        """Remove a LoRA that half came in. With no other one loaded, the layers themselves go too."""
        if self._loaded:
            pipe.delete_adapters(name)
        else:
            pipe.unload_lora_weights()

    def _forget_beyond(self, pipe: Any, needed: set[str]) -> None:
        for name in [name for name in self._loaded if name not in needed]:
            if len(self._loaded) <= KEPT:
                return
            pipe.delete_adapters(name)
            del self._loaded[name]


def read_lora(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """The file's tensors, checked, and the sha256 of what follows its header, 12 hex digits.

    Raises `UserError` for what is no safetensors file, too large, empty, or has values that are not numbers.
    """
    size = path.stat().st_size
    if size > BYTE_LIMIT:
        raise UserError(
            "lora-broken", lora=path.stem, why=f"it has {size >> 20} MiB; LoRAs have up to {BYTE_LIMIT >> 20}"
        )
    data = path.read_bytes()
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise UserError("lora-broken", lora=path.stem, why=_first_line(error)) from error
    if not tensors:
        raise UserError("lora-broken", lora=path.stem, why="it holds no tensors")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise UserError("lora-broken", lora=path.stem, why=f"{name} has values that are not numbers")
    header = int.from_bytes(data[:8], "little")
    return tensors, hashlib.sha256(data[8 + header :]).hexdigest()[:12]


def with_part_names(tensors: dict[str, torch.Tensor], parts: Sequence[str]) -> dict[str, torch.Tensor]:
    """PEFT's own files name a layer within one model; the pipelines want to know which of their `parts` it is."""
    named = {}
    for key, tensor in tensors.items():
        rest = key.removeprefix(PEFT_PREFIX)
        if rest != key and not rest.startswith(tuple(f"{part}." for part in parts)):
            text = next((part for part in parts if part.startswith("text_encoder")), parts[0])
            rest = f"{text if rest.startswith('text_model.') else parts[0]}.{rest}"
        named[rest] = tensor
    return named


def adapter_name(path: Path, hash_: str) -> str:
    """A name for PEFT, which takes it for a module's: without dots, and its own for each content."""
    return f"{re.sub(r'[^A-Za-z0-9_]+', '_', path.stem)[:40]}_{hash_}"


def _weights(pipe: Any, use: LoraUse) -> dict[str, float]:
    text = use.weight if use.text_weight is None else use.text_weight
    return {
        part: text if part.startswith("text_encoder") else use.weight
        for part in pipe._lora_loadable_modules
        if getattr(pipe, part, None) is not None
    }


def _added(before: dict[str, float], more: dict[str, float]) -> dict[str, float]:
    """The same LoRA named twice counts with the sum of its weights."""
    return {part: before.get(part, 0.0) + weight for part, weight in more.items()}


def _adapters_of(pipe: Any) -> set[str]:
    return {name for names in pipe.get_list_adapters().values() for name in names}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
