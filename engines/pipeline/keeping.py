"""Carrying a plan out: parts are loaded to where it says, and held the way it says."""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.hooks import add_hook_to_module

from engines.family import EngineFamily
from engines.header import read_header
from engines.interface import RunContext
from engines.layout import channels_last
from engines.loaders import PART_CLASSES, load_model
from engines.part_sizes import part_sizes
from engines.pipeline.mapped import map_part, widen
from engines.pipeline.precision import shrink
from engines.pipeline.turns_in_memory import Stay, TurnsInMemory
from engines.placement import decide_placement, machine_facts
from engines.plan import Demand, Keep, Placement, Plan, Way
from engines.records import ModelRecord

log = logging.getLogger(__name__)

Check = Callable[[], None]
RUNGS = 6  # of the ladder in `engines.placement.decide`
WHOLE_RUNG = 1
TILE_SIDE = 512  # pixels; `engines.placement.expect` counts on it


def plan_for(record: ModelRecord, family: EngineFamily, ctx: RunContext) -> Plan:
    """The plan that came with the job, or one made here when nobody made one or it is for another device."""
    facts = machine_facts()
    if ctx.plan is not None and ctx.plan.placement.device == facts.device:
        return ctx.plan
    usual = family.defaults
    demand = ctx.plan.demand if ctx.plan else Demand(usual["width"], usual["height"], usual.get("frames", 1))
    plan = decide_placement(facts, part_sizes(record, family), family, demand)
    if ctx.plan is None and (not plan.fits or plan.way.keep is Keep.WHOLE):
        # Nobody asked for this size yet, it is only the family's usual one: no reason to hold the model in a slower way, nor
        # to let the moment's free memory decide on tiles, which give other pixels.
        whole = replace(plan.placement, keep=Keep.WHOLE, tile_decode=False)
        plan = replace(plan, placement=whole, way=Way(Keep.WHOLE, False), rung=WHOLE_RUNG)
    log.info("plan model=%s way=%s tiled=%s fits=%s", record.id, plan.way.keep, plan.way.tiled, plan.fits)
    return plan


def next_plan(record: ModelRecord, family: EngineFamily, failed: Plan) -> Plan | None:
    """The plan below one that ran out of memory; None when there is no lower rung. Its expectations were wrong once already,
    so the next one is taken whether it says that it fits or not, and no freed memory is kept."""
    sizes, facts = part_sizes(record, family), replace(machine_facts(), keeps_pages=False)
    for rung in range(failed.rung + 1, RUNGS):
        plan = decide_placement(facts, sizes, family, failed.demand, limit=failed.budget, from_rung=rung)
        if plan.rung > failed.rung:
            return plan
    return None


def load_kept(record: ModelRecord, family: EngineFamily, placement: Placement, check: Check) -> dict[str, Any]:
    """The model's parts by name, held as `placement.keep` says."""
    if placement.device == "cpu":
        ways = {Keep.WHOLE: _load, Keep.PARTS: _in_turns}
        parts = ways.get(placement.keep, _from_file)(record, family, placement, check)
        if isinstance(decoder := parts.get("vae"), torch.nn.Module):
            channels_last(decoder)
        return parts
    if placement.keep is Keep.WHOLE:
        return _load(record, family, placement, check)
    waiting = _load(record, family, replace(placement, device="cpu"), check)
    if placement.keep in (Keep.STREAM, Keep.DISK):
        disk = tempfile.mkdtemp(prefix="easel-weights-") if placement.keep is Keep.DISK else None
        for name, part in waiting.items():
            if isinstance(part, torch.nn.Module):
                stream_part(part, placement.device, Path(disk) / name if disk else None)
    return waiting


def prepare_pipeline(pipe: Any, placement: Placement) -> Any:
    """What the plan asks of a new pipeline: parts that come to the card one at a time (diffusers' model offload)."""
    if placement.keep is Keep.PARTS and placement.device != "cpu":
        pipe.enable_model_cpu_offload(device=placement.device)
    return pipe


def working_device(part: torch.nn.Module) -> torch.device:
    """Where the part works, wherever its weights wait."""
    hook = getattr(part, "_hf_hook", None)
    where = getattr(hook, "execution_device", None)
    if where is None:
        from diffusers.hooks.group_offloading import _get_group_onload_device

        try:
            return _get_group_onload_device(part)
        except ValueError:
            return next(part.parameters()).device
    return torch.device(where)


def stream_part(part: torch.nn.Module, device: str, disk: Path | None = None) -> None:
    """Layer by layer to the device while the layer before computes (diffusers' group offload); from disk when it is named."""
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(
        part,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=device != "cpu",  # streams are CUDA's
        offload_to_disk_path=str(disk) if disk else None,
    )


def set_tiles(vae: Any) -> None:
    """Tiles of one size for all models, because the expected peaks count on it; the usual ones are as large as the picture."""
    vae.enable_tiling()
    if hasattr(vae, "tile_latent_min_size") and hasattr(vae, "tile_sample_min_size"):
        scale = max(1, vae.tile_sample_min_size // max(1, vae.tile_latent_min_size))
        vae.tile_sample_min_size = min(vae.tile_sample_min_size, TILE_SIDE)
        vae.tile_latent_min_size = max(1, vae.tile_sample_min_size // scale)


def _load(record: ModelRecord, family: EngineFamily, placement: Placement, check: Check) -> dict[str, Any]:
    """The parts where the plan wants them; what is shrunk is shrunk before it goes to a card."""
    if not record.eight_bits or placement.device == "cpu":
        return shrink(load_model(record.loader, record, family, placement, check), record, family, placement)
    here = load_model(record.loader, record, family, replace(placement, device="cpu"), check)
    parts = shrink(here, record, family, placement)
    return {
        name: each.to(placement.device) if isinstance(each, torch.nn.Module) else each for name, each in parts.items()
    }


def _in_turns(record: ModelRecord, family: EngineFamily, placement: Placement, check: Check) -> dict[str, Any]:
    sizes = part_sizes(record, family)
    groups = {name: sizes.group(name) for name in ("denoisers", "encoders")}
    turning = {name for names in groups.values() for name in names}

    def load(names: tuple[str, ...]) -> dict[str, Any]:
        return _load(record, replace(family, parts=names), placement, check)

    staying = load(tuple(name for name in family.parts if name not in turning))
    for part in staying.values():
        if isinstance(part, torch.nn.Module):
            add_hook_to_module(part, Stay())
    return {**staying, **TurnsInMemory(groups, load).begin()}


def _from_file(record: ModelRecord, family: EngineFamily, placement: Placement, check: Check) -> dict[str, Any]:
    """Denoisers and text encoders as shells whose layers come from their files; what is small is loaded as always."""
    sizes = part_sizes(record, family)
    large = {*sizes.group("denoisers"), *sizes.group("encoders")}
    small = tuple(name for name in family.parts if name not in large)
    parts = _load(record, replace(family, parts=small), placement, check)
    for name in large:
        check()
        folder = record.sources.get(name, record.path / name)
        parts[name] = _mapped(folder, name, family, record, placement, sizes.parts[name].stored)
    return parts


def _mapped(
    folder: Path, name: str, family: EngineFamily, record: ModelRecord, placement: Placement, stored: str
) -> Any:
    from accelerate import init_empty_weights

    class_name = read_header(record.path).parts[name]
    module = importlib.import_module({**PART_CLASSES, **family.part_modules}[class_name])
    part_class, dtype = getattr(module, class_name), placement.torch_dtype(name)
    if not hasattr(
        part_class, "load_config"
    ):  # the other library maps files by itself, and knows which weights are tied
        stored_dtype = getattr(torch, stored)
        part = part_class.from_pretrained(folder, local_files_only=True, use_safetensors=True, torch_dtype=stored_dtype)
        return widen(part, dtype)
    with init_empty_weights(include_buffers=False):
        shell = part_class.from_config(part_class.load_config(folder, local_files_only=True))
    return map_part(shell, folder, dtype)
