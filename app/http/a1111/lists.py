"""What there is: models, samplers, schedules, upscalers, and empty lists for what Easel does not have."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from app import machine
from app.http.a1111.wishes import styles_of
from app.http.desk import Desk
from engines.api import LATENT_FILTERS, PIXEL_FILTERS, SAMPLER_REGISTRY, Kind, ModelRecord, embedding_shape, family_of

PLAIN_UPSCALERS = ("None", *PIXEL_FILTERS)
NOTHING = (
    "hypernetworks",
    "face-restorers",
    "realesrgan-models",
    "script-info",
    "artist-categories",
    "artists",
)

Found = list[dict[str, Any]]


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @found.get("/sd-models", summary="The models that draw pictures")
    async def sd_models() -> Found:
        return await run_in_threadpool(lambda: [_model(desk, each) for each in _drawing(desk)])

    @found.get("/samplers", summary="The samplers")
    async def samplers() -> Found:
        return [{"name": each.key, "aliases": list(each.aliases), "options": {}} for each in SAMPLER_REGISTRY.samplers]

    @found.get("/schedulers", summary="The noise schedules")
    async def schedulers() -> Found:
        return [_schedule("automatic", "Automatic", ())] + [
            _schedule(each.key.lower().replace(" ", "_"), each.key, each.aliases) for each in SAMPLER_REGISTRY.schedules
        ]

    @found.get("/upscalers", summary="The upscalers")
    async def upscalers() -> Found:
        keys = ("model_name", "model_path", "model_url")
        names = (*PLAIN_UPSCALERS, *await run_in_threadpool(upscaler_models, desk))
        return [{"name": name, **dict.fromkeys(keys), "scale": 4} for name in names]

    @found.get("/sd-vae", summary="The VAEs")
    async def sd_vae() -> Found:
        files = await run_in_threadpool(desk.services.models.files, Kind.VAE)
        return [{"model_name": each.name, "filename": each.path.name} for each in files]

    @found.get("/loras", summary="The LoRAs")
    async def loras() -> Found:
        files = await run_in_threadpool(desk.services.models.files, Kind.LORA)
        return [{"name": each.name, "alias": each.name, "path": each.path.name, "metadata": {}} for each in files]

    @found.get("/latent-upscale-modes", summary="The ways to enlarge latents")
    async def latent_upscale_modes() -> Found:
        return [{"name": name} for name in LATENT_FILTERS]

    @found.get("/embeddings", summary="The textual inversions")
    async def embeddings() -> dict[str, Any]:
        return await run_in_threadpool(_embeddings, desk)

    @found.get("/prompt-styles", summary="The styles, and the presets that have words")
    async def prompt_styles() -> Found:
        return await run_in_threadpool(_styles, desk)

    @found.get("/scripts", summary="No scripts: Easel runs nobody's code")
    async def scripts() -> dict[str, list[str]]:
        return {"txt2img": [], "img2img": []}

    @found.get("/memory", summary="Memory in bytes")
    async def memory() -> dict[str, Any]:
        return await run_in_threadpool(_memory)

    for name in NOTHING:
        found.add_api_route(f"/{name}", _nothing, methods=["GET"], operation_id=f"list-{name}", summary="An empty list")
    for name in ("refresh-checkpoints", "refresh-loras", "refresh-vae", "refresh-embeddings"):
        found.add_api_route(
            f"/{name}", _refresher(desk), methods=["POST"], operation_id=name, summary="Look at the model folders again"
        )
    return found


async def _nothing() -> Found:
    return []


def _refresher(desk: Desk) -> Any:
    async def refresh() -> None:
        await run_in_threadpool(desk.services.models.rescan)

    return refresh


def upscaler_models(desk: Desk) -> list[str]:
    """The names of the upscaler models on this computer."""
    return list(dict.fromkeys(each.name for each in desk.services.models.files(Kind.UPSCALER)))


def _drawing(desk: Desk) -> list[ModelRecord]:
    """The models that make pictures: this dialect has no videos."""
    return [each for each in desk.services.models.all() if family_of(each).video is None]


def _model(desk: Desk, record: ModelRecord) -> dict[str, Any]:
    sha256 = desk.services.models.known_hashes(record.path).sha256 if record.path.is_file() else ""
    return {
        "title": desk.title_of(record),
        "model_name": record.id,
        "hash": sha256[:10] or None,
        "sha256": sha256 or None,
        "filename": record.path.name,
        "config": None,
    }


def _embeddings(desk: Desk) -> dict[str, Any]:
    """Those for the model that is used when nobody names one as loaded, the others as skipped, as A1111 has it."""
    models = desk.services.models
    usual = models.default().family
    found: dict[str, Any] = {"loaded": {}, "skipped": {}}
    for file in models.files(Kind.EMBEDDING):
        if file.problem is None:
            shape = embedding_shape(file.path)
            facts = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": shape[1]}
            found["loaded" if file.family == usual else "skipped"][file.name] = {**facts, "vectors": shape[0]}
    return found


def _schedule(name: str, label: str, aliases: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "aliases": list(aliases),
        "default_rho": 7.0 if name == "karras" else -1,
        "need_inner_model": False,
    }


def _styles(desk: Desk) -> Found:
    return [
        {"name": each.name, "prompt": each.prompt, "negative_prompt": each.negative_prompt} for each in styles_of(desk)
    ]


def _memory() -> dict[str, Any]:
    ram = machine.memory()
    found: dict[str, Any] = {
        "ram": {"free": ram.available, "used": ram.total - ram.available, "total": ram.total},
        "cuda": {"error": "there is no card"},
    }
    if cards := machine.gpus_or_none():
        free, total = cards[0].memory_free * 2**20, cards[0].memory_total * 2**20
        found["cuda"] = {"system": {"free": free, "used": total - free, "total": total}}
    return found
