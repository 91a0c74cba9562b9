"""A tensor's memory layout, kept through files: kernels sum in another order for another layout, and the bytes differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch


def strides_of(tensor: torch.Tensor) -> list[int]:
    """The strides in elements, JSON-able."""
    return list(tensor.stride())


def with_strides(tensor: torch.Tensor, strides: list[int], device: object = "cpu") -> torch.Tensor:
    """A fresh, aligned copy of a dense `tensor` on `device` whose elements lie in memory as `strides` says."""
    copy = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=device)  # pyright: ignore
    return copy.copy_(tensor)


ALIGNMENT = 64  # bytes: what torch gives its own tensors, and what its fastest kernels ask for


def align(module: torch.nn.Module) -> torch.nn.Module:
    """Copy those tensors of a module on the processor that lie at an odd place, as tensors mapped from a file do.

    Kernels take other ways at odd places, and the same model in another file would make another picture in the last bits
    (seen: 7e-7 in a UNet). The file is free again too: Windows locks one that is mapped.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % ALIGNMENT:
            tensor.data = tensor.data.clone()
    return module


def decoder_layout(shapes: Iterable[Sequence[int]], device: str) -> torch.memory_format:
    """How the weights of a decoder are to lie, by their shapes: that of pictures on a processor with its channels last.

    Measured on Stable Diffusion 1.5's at 256 pixels, float32, one thread: 6.40 CPU seconds for 7.06 with AVX2, 6.16 for 6.35 with
    AVX-512 and freed memory kept (medians of six, in turn), numbers within 3e-5.
    Decoders of videos stay as they are.
    """
    of_videos = any(len(shape) == 5 for shape in shapes)
    return torch.contiguous_format if device != "cpu" or of_videos else torch.channels_last


def channels_last(decoder: torch.nn.Module) -> torch.nn.Module:
    """A decoder with its weights laid out as `decoder_layout` says; done where it is loaded, so that it is always the same."""
    weights = list(decoder.parameters())
    device = "cpu" if all(weight.device.type == "cpu" for weight in weights) else "other"
    if decoder_layout([weight.shape for weight in weights], device) is torch.channels_last:
        decoder.to(memory_format=torch.channels_last)  # pyright: ignore
    return decoder
