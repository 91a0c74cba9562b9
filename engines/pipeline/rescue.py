"""When a picture stops being numbers: the same once more in float32, said in a sentence, or a clear error with the step.

16 bits overflow where 32 do not: in attention, in text encoders, in decoders. It happens seldom and with certain models,
so nobody pays for it in advance; whoever meets it waits once more and is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from engines.errors import ResourceError
from engines.interface import RunContext
from engines.pipeline.loaded import LoadedModel
from engines.runtime import is_out_of_memory
from engines.types import Artifact

log = logging.getLogger(__name__)

SHORT = (torch.float16, torch.bfloat16)
IN_FLOAT32 = "made in float32: in {dtype} it was not a number any more after step {step}"
DECODED_IN_FLOAT32 = "made in float32: in {dtype} its decoder gave no numbers"
RESCUED = ("latents-not-finite", "decode-not-finite")


def made_or_rescued(
    model: LoadedModel,
    ctx: RunContext,
    make: Callable[[tuple[str, ...]], Artifact],
    more: Callable[[], Mapping[str, Any]] = dict,
    forget: Callable[[], None] = lambda: None,
) -> Artifact:
    """What `make` makes; where it breaks in 16 bits, once more from its first step with everything in float32.

    `make` is given notes on what was done. `more` gives modules beside the model's parts; `forget` drops what was kept in the
    other number format. Raises the first error where no rescue is possible or memory is too small for it.
    """
    try:
        return make(())
    except ResourceError as error:
        parts = short_parts({**model.parts, **more()})
        if error.code not in RESCUED or not parts:
            raise
        ctx.checkpoint.unlink(missing_ok=True)
        forget()
        model.in_float32 = True
        try:
            with in_float32(parts):
                return make((note_of(error, model.placement.dtype),))
        except Exception as second:
            if is_out_of_memory(second):
                raise error from second
            raise
        finally:
            model.in_float32 = False
            forget()


def check_latents(latents: torch.Tensor, step: int) -> None:
    """Raises `ResourceError` when the latents are not numbers any more."""
    if not torch.isfinite(latents).all():
        raise ResourceError("latents-not-finite", step=step)


def short_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that compute in 16 bits and can be asked for more; none when one of them is held in another form.

    Quantised weights are packed: they have no float32 to go to, and a part whose weights come and go by themselves must
    not be touched.
    """
    modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    if any(_is_packed(part) for part in modules.values()):
        return {}
    return {name: part for name, part in modules.items() if any(each.dtype in SHORT for each in part.parameters())}


@contextmanager
def in_float32(parts: Mapping[str, torch.nn.Module]) -> Iterator[None]:
    """These parts in float32 while the block runs; back in their 16 bits after it, which loses nothing.

    Weight by weight, because some parts keep a few of their weights in float32 at all times.
    """
    log.warning("rescue parts=%s in float32", ",".join(parts))
    weights = [each for part in parts.values() for each in (*part.parameters(), *part.buffers())]
    before = [(each, each.dtype) for each in weights if each.dtype in SHORT]
    try:
        for each, _dtype in before:
            each.data = each.data.to(torch.float32)
        yield
    finally:
        for each, dtype in before:
            each.data = each.data.to(dtype)


def note_of(error: ResourceError, dtype: str) -> str:
    """What was done about `error`, in a sentence for whoever looks at the picture."""
    if error.code == "decode-not-finite":
        return DECODED_IN_FLOAT32.format(dtype=dtype)
    return IN_FLOAT32.format(dtype=dtype, step=error.params["step"])


def _is_packed(part: torch.nn.Module) -> bool:
    known = (torch.nn.Parameter, torch.Tensor)
    elsewhere = hasattr(part, "hf_quantizer") or any(map(_comes_and_goes, part.modules()))
    return elsewhere or any(type(each) not in known for each in part.parameters())


def _comes_and_goes(module: torch.nn.Module) -> bool:
    """Whether a hook moves the module's weights: accelerate's is the one, diffusers keeps a list that may be empty."""
    return hasattr(module, "_hf_hook") or bool(getattr(getattr(module, "_diffusers_hook", None), "hooks", None))
