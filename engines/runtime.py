"""Facts about this process for results and reports: versions, peak memory, threads, and the switches set before torch."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

log = logging.getLogger(__name__)

# The only switch that really keeps the hub client offline: local_files_only still asks the network on a miss.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
# Threads that wait for one another must sleep, not spin: beside other busy programs two spinning threads took 1.0 to 1.9 s for
# a step of the starter model that sleeping ones did in 0.08 to 0.12 s (two cores, load 6). Read when torch is loaded.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


def prepare_environment() -> None:
    """Go offline and quiet, and be a good neighbour. Call before torch, diffusers or transformers are imported."""
    os.environ.update(OFFLINE)
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


def import_libraries() -> None:
    """Import what loading any model imports: seconds of processor time that need not come after Generate."""
    from diffusers import AutoencoderKL, DiffusionPipeline, ModelMixin
    from transformers import CLIPTextModel, CLIPTokenizer

    log.debug("libraries are there: %s", (AutoencoderKL, DiffusionPipeline, ModelMixin, CLIPTextModel, CLIPTokenizer))


@lru_cache
def software_facts() -> dict[str, str]:
    """Versions that decide the pixels. Plain strings: torch's own version type would bring torch into the parent."""
    from importlib.metadata import version

    import torch

    from engines import __version__

    return {
        "easel": __version__,
        "torch": str(torch.__version__),
        "diffusers": version("diffusers"),
        "transformers": version("transformers"),
    }


def peak_memory() -> int:
    """Peak bytes so far: graphics memory where there is a card, else this process's resident set."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    import psutil

    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", 0)) or _resource_peak() or int(memory.rss)


def _resource_peak() -> int:
    """The kernel's own high-water mark on Linux, in bytes."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return 0
