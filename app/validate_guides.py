"""Can the pictures that a request is guided by be followed: ControlNets, their spans and their pictures?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engines.api import (
    ControlUse,
    EngineFamily,
    GenerationRequest,
    Task,
    UserError,
    families,
    picture_size,
    spelled_preparer,
    used_loras,
)


def check_guides(request: GenerationRequest, family: EngineFamily, path_of: Callable[[str], Path]) -> None:
    """Raises `UserError` for the first thing that cannot be met."""
    if family.video is not None and (loras := used_loras(request)):
        raise UserError("lora-not-for-model", lora=loras[0].file)
    if request.controls and (family.control is None or not request.needs_model or request.task is Task.EDIT):
        able = [each.title for each in families() if each.control is not None]
        raise UserError("controls-not-for-family", family=family.title, able=able)
    if request.vae and (family.video is not None or not request.needs_model or "vae" not in family.parts):
        raise UserError("vae-not-for-family", family=family.title)
    if request.ip_adapters and (not family.ip_adapters or not request.needs_model):
        able = [each.title for each in families() if each.ip_adapters]
        raise UserError("ip-adapters-not-for-family", family=family.title, able=able)
    for look in request.ip_adapters:
        if look.image is None:
            raise UserError("ip-adapter-needs-picture", name=look.file)
        picture_size(path_of(look.image))
    for use in request.controls:
        _check_control(use, request, path_of)


def _check_control(use: ControlUse, request: GenerationRequest, path_of: Callable[[str], Path]) -> None:
    spelled_preparer(use.prepare)
    if use.start >= use.end:
        raise UserError("control-span-empty", name=use.file, start=use.start, end=use.end)
    if use.image is not None:
        picture_size(path_of(use.image))
    elif not request.task.needs_image:
        raise UserError("control-needs-picture", name=use.file)
