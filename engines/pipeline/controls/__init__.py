"""ControlNets on a loaded model: networks that look at a picture and tell the denoiser, at each step, what they see.

They are put before the denoiser itself and not into pipelines of their own, so that every task and every pass has them.
"""

from __future__ import annotations

from engines.pipeline.controls.control import Control
from engines.pipeline.controls.hooks import ControlHooks
from engines.pipeline.controls.kinds import KINDS, ControlKind
from engines.pipeline.controls.nets import ControlNets

__all__ = ["KINDS", "Control", "ControlHooks", "ControlKind", "ControlNets"]
