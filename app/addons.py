"""The files beside the model that a request names: LoRAs and such, found by name, of the model's own family."""

from __future__ import annotations

from pathlib import Path

from app.embeddings import embedding_files
from app.models import ModelStore
from app.named_files import fitting, refuse_pickle
from engines.api import (
    CONTROLNET,
    EMBEDDING,
    IP_ADAPTER,
    IP_ENCODER,
    VAE,
    EaselError,
    GenerationRequest,
    Kind,
    ModelRecord,
    Task,
    UserError,
    check_upscaler,
    is_upscaler_model,
    sees_for,
    upscaler_models_possible,
    used_loras,
)

MOST_LORAS = 16  # each costs memory and a little of every step


def addon_files(request: GenerationRequest, record: ModelRecord, models: ModelStore) -> dict[str, Path]:
    """The files by the names under which the engine looks for them.

    Raises `UserError` for a name that is unknown, with the nearest ones, and for a file of another family, with both names.
    """
    found: dict[str, Path] = {}
    prompts = [prompt for prompt, _negative in request.texts] or [request.prompt]
    loras = {use.file: use for prompt in prompts for use in used_loras(request, prompt)}.values()
    if len(loras) > MOST_LORAS:
        raise UserError("loras-too-many", count=len(loras), limit=MOST_LORAS)
    for use in loras:
        found[use.file] = fitting(use.file, Kind.LORA, record, models).path
    texts = "\n".join(text for pair in request.texts for text in pair) or f"{request.prompt}\n{request.negative_prompt}"
    for name, path in embedding_files(texts, record, models).items():
        found[f"{EMBEDDING}{name}"] = path
    if request.vae:
        found[f"{VAE}{request.vae}"] = fitting(request.vae, Kind.VAE, record, models).path
    for use in request.controls:
        found[f"{CONTROLNET}{use.file}"] = fitting(use.file, Kind.CONTROLNET, record, models).path
    for look in request.ip_adapters:
        adapter = fitting(look.file, Kind.IP_ADAPTER, record, models).path
        found |= {f"{IP_ADAPTER}{look.file}": adapter, f"{IP_ENCODER}{look.file}": eye_of(adapter, models)}
    found |= upscaler_files(request, models)
    return found


def known_addon_files(request: GenerationRequest, record: ModelRecord, models: ModelStore) -> dict[str, Path]:
    """The same for an estimate, which must not fail: none when one of them is unknown."""
    try:
        return addon_files(request, record, models)
    except EaselError:
        return {}


def eye_of(adapter: Path, models: ModelStore) -> Path:
    """The picture encoder that the IP-Adapter was made with. Raises `UserError("ip-encoder-unknown")` when there is none."""
    for file in models.files(Kind.IMAGE_ENCODER):
        if file.problem is None and file.path.is_file() and sees_for(adapter, file.path):
            return file.path
    raise UserError("ip-encoder-unknown", name=adapter.stem)


def upscaler_files(request: GenerationRequest, models: ModelStore) -> dict[str, Path]:
    """The upscaler models that the request enlarges with, by name. Raises `UserError` for unknown ones, or without spandrel."""
    named = [request.hires.upscaler] if request.hires is not None else []
    named += [request.upscaler] if request.task is Task.UPSCALE else []
    found: dict[str, Path] = {}
    for name in filter(is_upscaler_model, named):
        file = models.find_file(name, Kind.UPSCALER)
        if file is None:
            refuse_pickle(name, models)
            check_upscaler(name, [each.name for each in models.files(Kind.UPSCALER)], latent=request.hires is not None)
        elif not upscaler_models_possible():
            raise UserError("upscaler-needs-extra", file=file.path.name)
        else:
            found[name] = file.path
    return found
