"""Counts the bytes that a full-size denoiser or decoder has alive at once, for a pixel, without computing anything.

The modules run on torch's meta device, where tensors have shapes and no numbers; attention is replaced by its result, as the
fused kernels never hold its matrix. It takes a minute or two. The figures in the families (`MemoryFigures`) come from here, at 2
bytes a value.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FAMILIES = Path(__file__).resolve().parent.parent / "resources" / "families"


class Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that are made and not yet given back."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.now = self.peak = 0
        given = (*module.parameters(), *module.buffers())
        self._seen = {tensor.untyped_storage()._cdata: 0 for tensor in given}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count what it made."""
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._seen:
            return
        self._seen[storage._cdata] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, key: int) -> None:
        self.now -= self._seen.pop(key, 0)


def fused_attention(*args: Any, **named: Any) -> torch.Tensor:
    """Stands for `scaled_dot_product_attention`: its result, and nothing on the way."""
    query, _key, value = (args or (named["query"], named["key"], named["value"]))[:3]
    return torch.empty(*query.shape[:-1], value.shape[-1], device=query.device, dtype=query.dtype)


def made(class_name: str, config: Path | dict[str, Any]) -> Any:
    """The full-size module on the meta device, in bfloat16."""
    part_class = getattr(diffusers, class_name)
    with torch.device("meta"):
        values = part_class.load_config(config) if isinstance(config, Path) else config
        return part_class.from_config(values).to(torch.bfloat16)


def numbers(*shape: int) -> torch.Tensor:
    """A tensor without numbers."""
    return torch.empty(*shape, device="meta", dtype=torch.bfloat16)


def report(name: str, pixels: int, module: Any, run: Callable[[Any], object]) -> None:
    """Run it and print what it took."""
    counting = Alive(module)
    with torch.no_grad(), counting:
        run(module)
    count = sum(each.numel() for each in module.parameters())
    print(f"{name:<34} {count / 1e9:6.2f} B parameters {counting.peak / pixels:8.0f} bytes a pixel", flush=True)


def decoders() -> None:
    """The decoders, at a size and a length that they decode in one go."""
    for name, config, shape, pixels in (
        ("AutoencoderKL", FAMILIES / "sd15" / "vae", (1, 4, 64, 64), 512 * 512),
        ("AutoencoderKL", FAMILIES / "flux" / "vae", (1, 16, 128, 128), 1024 * 1024),
        ("AutoencoderKLFlux2", {}, (1, 32, 128, 128), 1024 * 1024),
        ("AutoencoderKLQwenImage", {}, (1, 16, 1, 128, 128), 1024 * 1024),
        ("AutoencoderDC", {"latent_channels": 32}, (1, 32, 32, 32), 1024 * 1024),
        ("AutoencoderKLWan", {}, (1, 16, 2, 60, 104), 832 * 480 * 4),
        ("AutoencoderKLLTXVideo", {}, (1, 128, 7, 16, 22), 704 * 512 * 49),
        ("AutoencoderKLHunyuanVideo", {}, (1, 16, 5, 68, 120), 960 * 544 * 17),
        ("AutoencoderKLHunyuanVideo15", {}, (1, 32, 5, 30, 53), 848 * 480 * 17),
        ("AutoencoderKLCogVideoX", {"latent_channels": 16}, (1, 16, 2, 60, 90), 720 * 480 * 4),
    ):
        report(name, pixels, made(name, config), lambda vae, shape=shape: vae.decode(numbers(*shape)))


def unets() -> None:
    """The UNets, one pass."""
    for family, side, width in (("sd15", 64, 768), ("sd2", 64, 1024), ("sdxl", 128, 2048)):
        more = {"added_cond_kwargs": {"text_embeds": numbers(1, 1280), "time_ids": numbers(1, 6)}} if side > 64 else {}

        def run(unet: Any, side: int = side, width: int = width, more: dict[str, Any] = more) -> object:
            return unet(numbers(1, 4, side, side), numbers(1), numbers(1, 77, width), **more)

        pixels = (side * 8) ** 2
        report(f"unet of {family}", pixels, made("UNet2DConditionModel", FAMILIES / family / "unet"), run)


def transformers() -> None:
    """The transformers, one pass at their usual size."""
    ids = {"txt_ids": torch.empty(512, 3, device="meta"), "img_ids": torch.empty(4096, 3, device="meta")}
    words = {"timestep": numbers(1), "encoder_hidden_states": numbers(1, 512, 4096)}
    pooled = {"pooled_projections": numbers(1, 768)}
    clip = {"pooled_projections": numbers(1, 2048)}
    for name, config, pixels, arguments in (
        ("SD3Transformer2DModel", FAMILIES / "sd3" / "transformer", 2**20, [(1, 16, 128, 128), clip]),
        ("FluxTransformer2DModel", FAMILIES / "flux" / "transformer", 2**20, [(1, 4096, 64), ids, pooled]),
        ("ChromaTransformer2DModel", FAMILIES / "chroma" / "transformer", 2**20, [(1, 4096, 64), ids]),
        ("WanTransformer3DModel", {}, 832 * 480 * 81, [(1, 16, 21, 60, 104)]),
        ("HunyuanVideoTransformer3DModel", {}, 960 * 544 * 97, [(1, 16, 25, 68, 120), pooled]),
        ("CogVideoXTransformer3DModel", {}, 720 * 480 * 49, [(1, 13, 16, 60, 90)]),
    ):
        given = {key: value for each in arguments[1:] for key, value in each.items()}  # pyright: ignore
        given |= words | {"hidden_states": numbers(*arguments[0])}  # pyright: ignore
        if "guidance" in inspect.signature(getattr(diffusers, name).forward).parameters:
            given["guidance"] = numbers(1)
        if name.startswith("HunyuanVideo"):
            given["encoder_attention_mask"] = torch.ones(1, 512, device="meta")
        if name.startswith("CogVideoX"):
            given["encoder_hidden_states"] = numbers(1, 226, 4096)
        report(name, pixels, made(name, config), lambda module, given=given: module(**given))


def main() -> int:
    """Print the figures."""
    torch.nn.functional.scaled_dot_product_attention = fused_attention
    diffusers.logging.set_verbosity_error()
    for measure in (decoders, unets, transformers):
        measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
