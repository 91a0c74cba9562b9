"""IP-Adapters on a loaded model: what pictures look like, as words beside the words. Put on and taken off without a trace.

Source: Ye and others, IP-Adapter, 2023 (arXiv 2308.06721), and diffusers' `UNet2DConditionLoadersMixin`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engines import media
from engines.errors import EaselError, UserError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.options import IP_ADAPTER, IP_ENCODER, IpAdapterUse
from engines.pipeline.picture_encoder import encode_picture
from engines.types import GenerationRequest

log = logging.getLogger(__name__)

KEPT = 16  # encoded pictures; each has some 5 kB to 1 MB
Weights = dict[str, dict[str, torch.Tensor]]
Stamp = tuple[str, int, int]


class Looks:
    """The IP-Adapters of one loaded model. The model's own attention comes back when nobody asks for them."""

    def __init__(self, family: EngineFamily, device: str, dtype: Any) -> None:
        self._family, self._device, self._dtype = family, device, dtype
        self._own: tuple[Any, Any, Any] | None = None  # attention, projection and its kind, as they were before
        self._on: tuple[Stamp, ...] = ()
        self._seen: OrderedDict[tuple[Any, ...], torch.Tensor] = OrderedDict()
        self.loads = 0

    def use(self, pipe: Any, request: GenerationRequest, ctx: RunContext) -> dict[str, Any]:
        """Put exactly the request's adapters on the model; the arguments that its pipeline is then called with.

        Raises `UserError` for files that are missing, broken or made for another model.
        """
        uses = [(place, use) for place, use in enumerate(request.ip_adapters) if use.weight]
        if not uses:
            self._take_off(pipe)
            return {}
        if not self._family.ip_adapters:
            raise UserError("ip-adapters-not-for-family", family=self._family.title, able="UNets")
        self._put_on(pipe, [use for _place, use in uses], ctx.files)
        pipe.set_ip_adapter_scale([use.weight for _place, use in uses])
        guided = self._family.guidance.guided(request.guidance)
        layers = pipe.unet.encoder_hid_proj.image_projection_layers
        embeds = [
            self._look(use, f"ip_adapters.{place}", layer, guided, ctx)
            for (place, use), layer in zip(uses, layers, strict=True)
        ]
        return {"ip_adapter_image_embeds": embeds}

    def _put_on(self, pipe: Any, uses: Sequence[IpAdapterUse], files: Mapping[str, Path]) -> None:
        paths = [_file(files, f"{IP_ADAPTER}{use.file}", use.file) for use in uses]
        stamps = tuple(_stamp(path) for path in paths)
        if stamps == self._on:
            return
        self._take_off(pipe)
        weights = [read_adapter(use.file, path) for use, path in zip(uses, paths, strict=True)]
        unet = pipe.unet
        self._own = (unet.attn_processors, unet.encoder_hid_proj, unet.config.encoder_hid_dim_type)
        try:
            self._load(unet, weights)
        except EaselError:
            raise
        except Exception as error:  # the loaders raise whatever they like for layers that do not fit
            self._on = ((str(paths[0]), 0, 0),)
            self._take_off(pipe)
            raise UserError("ip-adapter-not-for-model", name=uses[0].file, why=_first_line(error)) from error
        self._on = stamps
        self.loads += 1

    def _load(self, unet: Any, weights: list[Weights]) -> None:
        """What diffusers' own loading does, but that the UNet itself is not moved: it may be waiting elsewhere."""
        from diffusers.models.embeddings import MultiIPAdapterImageProjection

        processors = unet._convert_ip_adapter_attn_to_diffusers(weights, low_cpu_mem_usage=False)
        layers = [
            unet._convert_ip_adapter_image_proj_to_diffusers(each["image_proj"], low_cpu_mem_usage=False)
            for each in weights
        ]
        for processor in processors.values():
            if isinstance(processor, torch.nn.Module):
                processor.to(self._device, self._dtype).eval().requires_grad_(False)
        unet.set_attn_processor(processors)
        projection = MultiIPAdapterImageProjection(layers)
        unet.encoder_hid_proj = projection.to(self._device, self._dtype).eval().requires_grad_(False)
        unet.config.encoder_hid_dim_type = "ip_image_proj"

    def _take_off(self, pipe: Any) -> None:
        if self._own is not None and self._on:
            processors, projection, kind = self._own
            pipe.unet.set_attn_processor(dict(processors))
            pipe.unet.encoder_hid_proj = projection
            pipe.unet.config.encoder_hid_dim_type = kind
        self._own, self._on = None, ()

    def _look(self, use: IpAdapterUse, name: str, layer: Any, guided: bool, ctx: RunContext) -> torch.Tensor:
        """The encoded picture [1, 1, …], with nothing before it where the model runs a second time for that."""
        encoder, picture = _file(ctx.files, f"{IP_ENCODER}{use.file}", use.file), ctx.inputs.get(name)
        if picture is None:
            raise UserError("ip-adapter-needs-picture", name=use.file)
        from diffusers.models.embeddings import ImageProjection

        whole = not isinstance(layer, ImageProjection)  # "plus" adapters look at every part of the picture
        key = (_stamp(encoder), _stamp(picture), whole)
        if key not in self._seen:
            opened = media.open_image(picture)
            self._seen[key] = encode_picture(use.file, encoder, opened, whole, self._device, self._dtype)
        self._seen.move_to_end(key)
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        nothing, something = self._seen[key].chunk(2)
        return torch.cat([nothing, something]) if guided else something


def read_adapter(name: str, path: Path) -> Weights:
    """The file's tensors in two groups, "image_proj" and "ip_adapter". Raises `UserError("ip-adapter-broken")`."""
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise UserError("ip-adapter-broken", name=name, why=_first_line(error)) from error
    found: Weights = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in tensors.items():
        group, _dot, rest = key.partition(".")
        if group in found:
            found[group][rest] = tensor
        if not torch.isfinite(tensor.float()).all():
            raise UserError("ip-adapter-broken", name=name, why=f"{key} has values that are not numbers")
    if not all(found.values()):
        raise UserError("ip-adapter-broken", name=name, why="it has no image_proj, or no ip_adapter")
    if any(part in key for key in found["image_proj"] for part in ("perceiver_resampler", "id_embeds")):
        raise UserError("ip-adapter-broken", name=name, why="it is a FaceID adapter, and Easel does not take those")
    return found


def _file(files: Mapping[str, Path], key: str, name: str) -> Path:
    path = files.get(key)
    if path is None or not path.is_file():
        raise UserError("ip-adapter-missing", name=name)
    return path


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines()]  # torch names the first difference in the second
    return " ".join(lines[:2] or [type(error).__name__])[:300]
