"""Can the wish be computed the faster way that it asks for? Every refusal says what would work."""

from __future__ import annotations

from engines.api import (
    Accelerator,
    EngineFamily,
    GenerationRequest,
    UserError,
    check_accelerator,
    families,
)


def check_accelerated(request: GenerationRequest, family: EngineFamily) -> None:
    """Raises `UserError` for an accelerator that is not here, not for the family, or not beside the rest of the wish."""
    wanted = request.accelerator
    if wanted is Accelerator.NONE or not request.needs_model:
        return
    if wanted not in family.accelerators:
        able = [each.title for each in families() if wanted in each.accelerators]
        raise UserError("accelerator-not-for-model", accelerator=str(wanted), family=family.title, families=able)
    if beside := _excluded(request, family):
        raise UserError("accelerator-not-with", accelerator=str(wanted), option=beside)
    check_accelerator(wanted)


def _excluded(request: GenerationRequest, family: EngineFamily) -> str:
    """The field that reaches into the denoiser, where the accelerator has it as one piece or in fixed ones; "" for none."""
    reuses = request.shortcuts is not None and request.shortcuts.reuses and family.cache is not None
    if request.accelerator is Accelerator.OPENVINO:
        inside = {"controls": request.controls, "ip_adapters": request.ip_adapters, "shortcuts.every": reuses}
        return next((name for name, there in inside.items() if there), "")
    return "shortcuts.every" if reuses else ""
