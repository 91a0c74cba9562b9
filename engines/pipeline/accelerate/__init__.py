"""Accelerators at work: for the jobs that ask for one, the denoisers' calls go another way to the same answer.

What was prepared stays with the model. Everything around the denoiser (samplers, guidance, Stop, checkpoints, previews) sees
the same call as ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch

from engines.accelerators import Accelerator, check_accelerator
from engines.errors import EaselError, ResourceError, UserError
from engines.interface import RunContext
from engines.pipeline.accelerate.blocks import CompiledBlocks
from engines.pipeline.accelerate.graph import WholeGraph
from engines.plan import Keep, Placement
from engines.runtime import is_out_of_memory
from engines.types import Progress, Stage

log = logging.getLogger(__name__)


class Accelerated(Protocol):
    """A denoiser that can be made faster for a while."""

    def install(self) -> None:
        """Put it in the place of the denoiser's own way."""
        ...

    def remove(self) -> None:
        """Give the denoiser its own way back; what was prepared is kept."""
        ...

    @property
    def name(self) -> str:
        """What a file says that it was made with: "openvino 2026.4.1"."""
        ...


# Called with the denoiser, what its weights are at the moment, and what prepares: see `Accelerators.preparing`.
WAYS: Mapping[Accelerator, Callable[[Any, Callable[[], object], Callable[..., Any]], Accelerated]] = {
    Accelerator.OPENVINO: WholeGraph,
    Accelerator.COMPILE: CompiledBlocks,
}


class Accelerators:
    """What was prepared for one loaded model. `state` says what lies on its weights: with other LoRAs they are others."""

    def __init__(self, state: Callable[[], object]) -> None:
        self._state = state
        self._made: dict[tuple[Accelerator, int], Accelerated] = {}
        self._ctx: RunContext | None = None
        self.facts: dict[str, str] = {}  # what the files say, while one is in use
        self.seconds = 0.0  # of preparing, since `use` was entered

    @contextmanager
    def use(
        self, wish: Accelerator, denoisers: Sequence[torch.nn.Module], placement: Placement, ctx: RunContext
    ) -> Iterator[None]:
        """While the block runs, `denoisers` go the way of `wish`. Raises `UserError` where that is not possible here."""
        self.facts, self.seconds, self._ctx = {}, 0.0, ctx
        with ExitStack() as stack:
            for each in denoisers if wish is not Accelerator.NONE else ():
                check_here(wish, placement)
                made = self._of(wish, each)
                made.install()
                stack.callback(made.remove)
                self.facts = {"accelerator": made.name}
            yield

    def preparing(self, note: str, work: Callable[[], Any]) -> Any:
        """What `work` makes, said aloud: `note` before, and how long it took. Raises `ResourceError` when it fails."""
        assert self._ctx is not None, "it is called inside of `use`"
        self._ctx.check_cancelled()
        self._ctx.on_progress(Progress(Stage.LOAD, note=note))
        started = time.perf_counter()
        try:
            made = work()
        except EaselError:
            raise
        except Exception as error:  # tracers and compilers raise whatever they like
            if is_out_of_memory(error):
                raise
            why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ResourceError("accelerator-failed", why=why) from error
        took = time.perf_counter() - started
        self.seconds += took
        log.info("prepared seconds=%.1f note=%s", took, note)
        self._ctx.on_progress(Progress(Stage.LOAD, note=f"Prepared in {took:.0f} s."))
        self._ctx.check_cancelled()
        return made

    def _of(self, wish: Accelerator, denoiser: torch.nn.Module) -> Accelerated:
        key = (wish, id(denoiser))
        if key not in self._made:
            self._made[key] = WAYS[wish](denoiser, self._state, self.preparing)
        return self._made[key]


def check_here(wish: Accelerator, placement: Placement) -> None:
    """Raises `UserError` for an accelerator that this computer, or the way in which the model is held, cannot take."""
    check_accelerator(wish)
    if wish is Accelerator.OPENVINO and placement.device != "cpu":
        raise UserError("accelerator-not-on-card")
    if placement.keep is not Keep.WHOLE:
        raise ResourceError("accelerator-not-held-whole")
