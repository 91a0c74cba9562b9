"""The passes of a picture: each is one run of a pipeline, and gives the next one what it starts from."""

from __future__ import annotations

from engines.pipeline.passes.base import Pass, pass_seed
from engines.pipeline.passes.plan import Plan, make_plan

__all__ = ["Pass", "Plan", "make_plan", "pass_seed"]
