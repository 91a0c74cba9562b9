"""What ControlNets for transformers share: how many blocks a file has, and which block of the model each is for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch


def block_count(name: str, tensors: Mapping[str, torch.Tensor]) -> int:
    """How many blocks called `name` the file has."""
    return len({match[1] for key in tensors if (match := re.match(rf"{name}\.(\d+)\.", key))})


def spread(samples: Sequence[Any], blocks: int) -> list[Any]:
    """One sample for each of the model's `blocks`, so that networks of different depths can be added up.

    The rule is the transformers' own: FLUX.1's and Qwen-Image's round the distance up.
    """
    apart = math.ceil(blocks / len(samples))
    return [samples[block // apart] for block in range(blocks)]


def spread_evenly(samples: Sequence[Any], blocks: int) -> list[Any]:
    """The same by the rule of Stable Diffusion 3, which does not round."""
    apart = blocks / len(samples)
    return [samples[int(block / apart)] for block in range(blocks)]
