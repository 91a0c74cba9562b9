"""Facts about the machine that a plan rests on: asked of torch in the worker; the product gathers the same ones without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from engines.errors import ResourceError

DEVICE_VARIABLE = "EASEL_DEVICE"
KEEPS_PAGES = sys.platform == "linux"


@dataclass(frozen=True)
class MachineFacts:
    """What the decision rests on: the device, its free memory in bytes, and whether it multiplies bfloat16 natively.

    `total_memory` is all that the device has. `main_memory` are the free bytes of main memory where the device is a card.
    `keeps_pages` is whether the allocator can be asked to keep what is freed (`KEEPS_PAGES`); it matters to a processor alone.
    """

    device: str
    free_memory: int
    bfloat16: bool
    name: str = ""
    total_memory: int = 0
    main_memory: int = 0
    keeps_pages: bool = False


def machine_facts() -> MachineFacts:
    """Ask torch and the system. Imports torch: call it in the worker.

    What this process holds counts as free: its models go when others need the room. EASEL_DEVICE=cpu leaves the card alone.
    Raises `ResourceError("gpu-no-kernels")` where torch would fail at its first step.
    """
    import psutil
    import torch

    if os.environ.get(DEVICE_VARIABLE, "").lower() != "cpu" and torch.cuda.is_available():
        check_kernels(torch.cuda.get_device_name(), torch.cuda.get_device_capability(), torch.cuda.get_arch_list())
        free, total = torch.cuda.mem_get_info()
        free = min(total, free + torch.cuda.memory_reserved())
        main = psutil.virtual_memory().available
        name = torch.cuda.get_device_name()
        return MachineFacts("cuda", free, torch.cuda.is_bf16_supported(), name, total, main)
    memory = psutil.virtual_memory()
    free = min(memory.total, memory.available + psutil.Process().memory_info().rss)
    return MachineFacts("cpu", free, False, "processor", memory.total, keeps_pages=KEEPS_PAGES)


def check_kernels(name: str, capability: tuple[int, int], built_for: Sequence[str]) -> None:
    """Raise `ResourceError("gpu-no-kernels")` when torch has no program for the card: "no kernel image is available".

    `built_for` is torch's own list: ["sm_80", "sm_90", "compute_120"]. A program for 8.6 runs on 8.9 too, and one in the
    intermediate form (compute_120) is compiled for any newer card. AMD's names (gfx1100) are not looked at: torch refuses those
    cards by itself.
    """
    numbers = [
        (each.split("_")[0], int("".join(filter(str.isdigit, each.split("_")[1])))) for each in built_for if "_" in each
    ]
    card = capability[0] * 10 + capability[1]
    if not numbers or any(
        number <= card and (kind == "compute" or number // 10 == capability[0]) for kind, number in numbers
    ):
        return
    import torch

    known = ", ".join(f"{number // 10}.{number % 10}" for _kind, number in numbers)
    values = {"card": name, "capability": f"{capability[0]}.{capability[1]}", "torch": str(torch.__version__)}
    raise ResourceError("gpu-no-kernels", **values, known=known)
