"""Which part of a model goes where, in which number format, and what that will take: pure decisions over facts."""

from engines.placement.decide import decide_placement, says, ways_out
from engines.placement.facts import DEVICE_VARIABLE, KEEPS_PAGES, MachineFacts, check_kernels, machine_facts
from engines.plan import Demand, Keep, ModelSizes, PartSize, Placement, Plan, StagePeak, Way

__all__ = [
    "DEVICE_VARIABLE",
    "KEEPS_PAGES",
    "Demand",
    "Keep",
    "MachineFacts",
    "ModelSizes",
    "PartSize",
    "Placement",
    "Plan",
    "StagePeak",
    "Way",
    "check_kernels",
    "decide_placement",
    "machine_facts",
    "says",
    "ways_out",
]
