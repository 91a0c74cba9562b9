"""Latents to frames, a few at a time: each goes into the file while the next ones are made, and Stop is seen between.

A failed decode walks a ladder: as it is, in tiles, on the processor. What was written before is not made twice.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from engines.errors import ResourceError
from engines.pipeline.keeping import working_device
from engines.runtime import is_out_of_memory
from engines.video_rules import DecodeKind

log = logging.getLogger(__name__)

Emit = Callable[[torch.Tensor], None]
WINDOW, STRIDE = 8, 6  # latents over time in a window, and from one window to the next; the rest is blended
SMALL_WINDOW, SMALL_STRIDE = 2, 1  # where memory is short
AT_ONCE, FEW_AT_ONCE = 14, 2  # frames, for decoders that look at few others (14: what their pipelines do)


@dataclass(frozen=True)
class DecoderInput:
    """What a pipeline gave its decoder: `latents` [1, C, F, h, w] or [F, C, h, w], ready to be decoded, and the rest."""

    latents: torch.Tensor
    arguments: dict[str, torch.Tensor] = field(default_factory=dict)


class FrameSink:
    """Takes decoded frames [1, 3, n, H, W] in -1 to 1, hands them on as bytes [n, H, W, 3], and counts.

    After `rewind` as many frames as were handed on are dropped: a retry begins at the first frame.
    """

    def __init__(self, on_frames: Callable[[Any], None], check: Callable[[], None]) -> None:
        self._on_frames, self._check = on_frames, check
        self.frames, self._drop = 0, 0
        self.low, self.high = 1.0, -1.0

    def __call__(self, pixels: torch.Tensor) -> None:
        self._check()
        dropped = min(self._drop, pixels.shape[2])
        self._drop -= dropped
        pixels = pixels[:, :, dropped:]
        if pixels.shape[2] == 0:
            return
        pixels = pixels.float()
        if not torch.isfinite(pixels).all():
            raise NotFinite
        self.low, self.high = min(self.low, float(pixels.min())), max(self.high, float(pixels.max()))
        whole = ((pixels[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        self._on_frames(whole.permute(1, 2, 3, 0).contiguous().cpu().numpy())
        self.frames += pixels.shape[2]

    def rewind(self) -> None:
        """The next frames begin at the first one again."""
        self._drop = self.frames


class NotFinite(Exception):
    """The decoder gave something that is no number."""


def decode_video(
    vae: Any, given: DecoderInput, kind: DecodeKind, sink: FrameSink, frame_step: int, tiled: bool = False
) -> tuple[str, ...]:
    """Decode everything into `sink`; returns notes on any way that had to be taken.

    Raises `ResourceError("decode-out-of-memory")` or `ResourceError("decode-not-finite")` when every rung fails.
    """
    notes: list[str] = []
    with torch.inference_mode():
        for rung in _ladder(vae, tiled):
            try:
                with rung.way(vae):
                    _decode(vae, given, kind, sink, frame_step, rung.tiled)
                break
            except NotFinite as error:
                if vae.dtype == torch.float32 or rung.whole:
                    raise ResourceError("decode-not-finite") from error
                _try_in_float32(vae, given, kind, sink, frame_step, notes)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if rung.last:
                    detail = str(error).strip().split("\n", 1)[0]
                    raise ResourceError("decode-out-of-memory", detail=detail) from error
                notes.append(rung.next_note)
                log.warning("decode note=%s", rung.next_note)
            sink.rewind()
    if sink.high - sink.low < 1e-3:
        notes.append("the video has one colour")
    return tuple(notes)


@dataclass(frozen=True)
class _Rung:
    """A way to decode. `next_note` says what is done when it fails for want of memory."""

    way: Callable[[Any], Any]
    tiled: bool
    next_note: str = ""
    whole: bool = False

    @property
    def last(self) -> bool:
        return not self.next_note


def _ladder(vae: Any, tiled: bool) -> Iterator[_Rung]:
    on_card = working_device(vae).type != "cpu"
    if not tiled:
        yield _Rung(_as_it_is, False, "decoded in tiles: the whole frames did not fit in memory")
    yield _Rung(_in_tiles, True, "decoded on the processor: the graphics memory was too small" if on_card else "")
    if on_card:
        yield _Rung(_on_the_processor, True, whole=True)


@contextmanager
def _as_it_is(vae: Any) -> Iterator[None]:
    framewise = getattr(vae, "use_framewise_decoding", None)
    if framewise is not None:
        vae.use_framewise_decoding = False  # windows are ours: theirs come out only when all are done
    try:
        yield
    finally:
        if framewise is not None:
            vae.use_framewise_decoding = framewise


@contextmanager
def _in_tiles(vae: Any) -> Iterator[None]:
    with _as_it_is(vae):
        tiles = hasattr(vae, "use_tiling")  # some have the method and not the thing: they decode fewer frames at once
        if tiles:
            vae.enable_tiling()
        try:
            yield
        finally:
            if tiles:
                vae.disable_tiling()


@contextmanager
def _on_the_processor(vae: Any) -> Iterator[None]:
    device, dtype = next(vae.parameters()).device, vae.dtype
    vae.to("cpu", torch.float32)
    try:
        with _in_tiles(vae):
            yield
    finally:
        vae.to(device, dtype)


def _try_in_float32(
    vae: Any, given: DecoderInput, kind: DecodeKind, sink: FrameSink, frame_step: int, notes: list[str]
) -> None:
    before = vae.dtype
    notes.append("decoded in float32: the first try was not a number")
    sink.rewind()
    vae.to(torch.float32)
    try:
        with _in_tiles(vae):
            _decode(vae, given, kind, sink, frame_step, True)
    except NotFinite as error:
        raise ResourceError("decode-not-finite") from error
    finally:
        vae.to(before)


def _decode(vae: Any, given: DecoderInput, kind: DecodeKind, emit: Emit, frame_step: int, tiled: bool) -> None:
    device = working_device(vae)
    latents = given.latents.to(device, vae.dtype)
    arguments = {name: value.to(device) for name, value in given.arguments.items()}
    if kind is DecodeKind.FRAMES:
        _frames(vae, latents, emit, FEW_AT_ONCE if tiled else AT_ONCE)
    elif kind is DecodeKind.WINDOWS:
        window, stride = (SMALL_WINDOW, SMALL_STRIDE) if tiled else (WINDOW, STRIDE)
        _windows(vae, latents, arguments, emit, frame_step, window, stride)
    elif tiled:
        _whole(vae, latents, emit)
    else:
        _causal(vae, latents, emit)


def _frames(vae: Any, latents: torch.Tensor, emit: Emit, at_once: int) -> None:
    """Decoders of single frames [F, C, h, w]; some are told how many frames belong together."""
    import inspect

    told = "num_frames" in inspect.signature(vae.decode).parameters
    for start in range(0, latents.shape[0], at_once):
        few = latents[start : start + at_once]
        pixels = vae.decode(few, **({"num_frames": few.shape[0]} if told else {})).sample
        emit(pixels.permute(1, 0, 2, 3)[None])


def _windows(
    vae: Any, latents: torch.Tensor, arguments: dict[str, Any], emit: Emit, frame_step: int, window: int, stride: int
) -> None:
    """Windows over time that overlap by `window - stride` latents; the frames that both made are blended.

    The first frame of a later window stands for one latent alone and is left out, as diffusers' HunyuanVideo does.
    """
    count = latents.shape[2]
    if count <= window + 1:
        emit(vae.decode(latents, **arguments).sample)
        return
    tail = None
    for start in range(0, count - 1, stride):
        pixels = vae.decode(latents[:, :, start : start + window + 1], **arguments).sample
        pixels = pixels[:, :, 1:] if start else pixels
        if tail is not None:
            pixels = _blend(tail, pixels)
        last = start + window + 1 >= count
        keep = pixels.shape[2] if last else stride * frame_step + (0 if start else 1)
        emit(pixels[:, :, :keep])
        if last:
            return
        tail = pixels[:, :, keep:]


def _blend(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """`after` with its first frames faded in over `before`."""
    length = min(before.shape[2], after.shape[2])
    weight = (torch.arange(length, device=after.device, dtype=after.dtype) / length).view(1, 1, -1, 1, 1)
    mixed = before[:, :, :length] * (1 - weight) + after[:, :, :length] * weight
    return torch.cat([mixed, after[:, :, length:]], dim=2)


def _causal(vae: Any, latents: torch.Tensor, emit: Emit) -> None:
    """Decoders that loop over time by themselves and remember: their frames are taken out of the loop.

    What the loop collects is a corner of each frame, so that a long video needs no more memory than a short one.
    """
    unpatchify = getattr(sys.modules[type(vae).__module__], "unpatchify", None)
    patch = getattr(vae.config, "patch_size", None)

    def take(_decoder: Any, _inputs: Any, output: Any) -> Any:
        pixels = output[0] if isinstance(output, tuple) else output
        emit(unpatchify(pixels, patch_size=patch) if unpatchify is not None and patch is not None else pixels)
        corner = pixels[..., :1, :1]
        return (corner, *output[1:]) if isinstance(output, tuple) else corner

    hook = vae.decoder.register_forward_hook(take)
    try:
        vae.decode(latents)
    finally:
        hook.remove()


def _whole(vae: Any, latents: torch.Tensor, emit: Emit) -> None:
    """All frames by tiles, then a few at a time into the file."""
    pixels = vae.decode(latents).sample
    for start in range(0, pixels.shape[2], AT_ONCE):
        emit(pixels[:, :, start : start + AT_ONCE])
