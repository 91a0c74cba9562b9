"""What a way to run a model is expected to take, stage by stage, in bytes. Every constant says where it is from."""

from __future__ import annotations

from engines.family import MemoryFigures
from engines.plan import BYTES, Demand, Keep, ModelSizes, PartSize, StagePeak, Way
from engines.types import Stage
from engines.video_rules import DecodeKind, VideoRules

# The worker beside its weights, between two jobs: resident set on Linux, torch 2.13 (CPU build). 473 MB with the libraries alone;
# with a model that has drawn 502 (the tests' SD 1.5), 503 (the starter) and 543 to 548 (SD 1.5 at full size).
PROCESS = 510_000_000
# A CUDA context with the workspaces of cuBLAS and cuDNN. An assumption: no card was at hand when this was written.
CONTEXT = 700_000_000
# What oneDNN takes beside the tensors themselves: the decoder of SD 1.5 in float32 took 4,416 bytes a pixel at 256 and 4,256
# at 512 pixels, where its tensors alone come to 3,072 (measured on two cores with AVX2; with AVX-512 4,604 and 3,157).
PROCESSOR_EXTRA = 1.42
# The same where what is freed is kept (`engines.pages`): the gaps are not always of the size that is asked for next. That decoder
# took 6,600 to 9,900 bytes a pixel at 256 and 5,700 to 7,500 at 512 pixels (ten jobs, two cores with AVX-512; giving back
# first what drawing left made no difference). Decoders of videos were not measured.
KEPT_EXTRA = 2.28
# Convolutions repack their weights: the UNet of SD 1.5 took the bytes of its largest tensor once more (measured, 256 pixels).
REPACKED = 1.0
# Weights that come in pieces keep this much of a layer in flight: the one that works and the one that is on its way.
IN_FLIGHT = 2
TILE = 512 * 512  # pixels of a tile; the engine sets it so
PICTURE_BYTES = 3 * 4 * 3  # a pixel's three colours in float32: the tiles, the whole, and the whole while it is checked
WINDOW, SMALL_WINDOW = 9, 3  # latents over time that decoders in windows see at once (engines.pipeline.video_decode)
AT_ONCE, FEW_AT_ONCE = 14, 2  # frames, for decoders that look at few others (the same)


def expected_stages(
    sizes: ModelSizes,
    figures: MemoryFigures,
    video: VideoRules | None,
    demand: Demand,
    way: Way,
    dtype: str,
    card: bool,
    keeps_pages: bool = False,
) -> tuple[StagePeak, ...]:
    """The peaks of load, encode, denoise and decode when everything is held in `dtype` the way `way` says."""
    held = _Held(sizes, dtype, way.keep, card)
    base = CONTEXT if card else PROCESS
    extra = 1.0 if card else PROCESSOR_EXTRA
    itemsize = BYTES[dtype] / 2
    passes = demand.passes * way.batch
    drawing = figures.denoiser_bytes_per_pixel * demand.pixels * demand.frames * passes * itemsize * extra
    looser = KEPT_EXTRA if keeps_pages else extra
    decoding = _decoder_bytes(sizes, figures) * decoded_pixels(demand, video, way.tiled) * itemsize * looser
    decoding += demand.pixels * PICTURE_BYTES * _frames_held(demand, video, way.tiled)
    repacked = 0 if card else REPACKED * max((part.largest for part in sizes.parts.values()), default=0) * BYTES[dtype]
    work = {Stage.LOAD: 0.0, Stage.ENCODE: 0.0, Stage.DENOISE: drawing + repacked, Stage.DECODE: decoding}
    work[Stage.ENCODE] += demand.eyes * BYTES[dtype]
    base += demand.guides * BYTES[dtype]
    work[Stage.DENOISE] += demand.graphs * held.denoisers
    work[Stage.DECODE] += demand.graphs * held.denoisers
    return tuple(
        StagePeak(str(stage), round(base + held.on_device(stage) + bytes_), held.in_main_memory() if card else 0)
        for stage, bytes_ in work.items()
    )


def _decoder_bytes(sizes: ModelSizes, figures: MemoryFigures) -> float:
    """A decoder that is narrower or wider than the counted one has as much less or more alive for each pixel."""
    known = sizes.decoder_width and figures.decoder_width
    return figures.activation_bytes_per_pixel * (sizes.decoder_width / figures.decoder_width if known else 1)


def decoded_pixels(demand: Demand, video: VideoRules | None, tiled: bool) -> int:
    """The pixels that the decoder works on at once: of a tile or a frame, times the frames that it sees together."""
    pixels = min(demand.pixels, TILE) if tiled else demand.pixels
    if video is None:
        return pixels
    match video.decode:
        case DecodeKind.FRAMES:
            together = FEW_AT_ONCE if tiled else AT_ONCE
        case DecodeKind.WINDOWS:
            together = (SMALL_WINDOW if tiled else WINDOW) * video.frame_step
        case _:
            together = demand.frames if tiled else video.frame_step
    return pixels * min(together, demand.frames)


def _frames_held(demand: Demand, video: VideoRules | None, tiled: bool) -> int:
    """Finished frames that are in memory at once: all of them where tiles span the whole time."""
    if video is None:
        return 1
    return demand.frames if tiled and video.decode is DecodeKind.CAUSAL else min(demand.frames, AT_ONCE)


class _Held:
    """How many bytes of weights are where, for one way of holding them."""

    def __init__(self, sizes: ModelSizes, dtype: str, keep: Keep, card: bool) -> None:
        self._sizes, self._dtype, self._keep, self._card = sizes, dtype, keep, card

    def on_device(self, stage: Stage) -> int:
        """Weights on the device in `stage`. Decoders are small and stay; so does what has its turn."""
        if self._keep is Keep.WHOLE:
            return self._sum("encoders", "denoisers", "decoders")
        if self._keep in (Keep.STREAM, Keep.DISK):
            return self._layer() + self._sum("decoders")
        if self._card:  # diffusers moves single parts: they wait in main memory, and one at a time is on the card
            groups = {Stage.ENCODE: "encoders", Stage.DENOISE: "denoisers", Stage.DECODE: "decoders"}
            return self._one(groups[stage]) if stage in groups else 0
        # On a processor a group is read when its turn comes and takes the other one's room; the decoder stays.
        turn = {Stage.ENCODE: ("encoders",), Stage.DENOISE: ("denoisers",), Stage.DECODE: ("denoisers",)}
        return self._sum("decoders") + max(map(self._sum, turn.get(stage, ("encoders", "denoisers"))))

    @property
    def denoisers(self) -> int:
        """What draws, whole."""
        return self._sum("denoisers")

    def in_main_memory(self) -> int:
        """Weights in main memory behind a card: all that come and go, or next to nothing when they lie on disk."""
        if self._keep in (Keep.WHOLE, Keep.DISK):
            return PROCESS + self._largest_file()  # on their way to the card or to the disk, part by part
        return PROCESS + self._sum("encoders", "denoisers", "decoders")

    def _sum(self, *groups: str) -> int:
        return sum(self._bytes(each) for group in groups for each in self._sizes.group(group))

    def _one(self, group: str) -> int:
        return max((self._bytes(each) for each in self._sizes.group(group)), default=0)

    def _bytes(self, name: str) -> int:
        return self._sizes.parts[name].bytes_in(self._dtype)

    def _layer(self) -> int:
        largest = max((_layer_bytes(part, self._dtype) for part in self._sizes.parts.values()), default=0)
        return largest * IN_FLIGHT

    def _largest_file(self) -> int:
        return max((self._bytes(name) for name in self._sizes.parts), default=0)


def _layer_bytes(part: PartSize, dtype: str) -> int:
    return part.largest * BYTES[dtype]
