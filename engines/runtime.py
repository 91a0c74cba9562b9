"""Facts about this process for results and reports: versions, peak memory, threads, and the switches set before torch."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
# Threads that wait for one another spin for some 10 µs and then sleep. torch's own way spins for milliseconds: beside two busy
# programs on two cores a step of the starter model took 472 ms with it, 93 ms with this, and 80 ms when they sleep at once;
# on a quiet machine 32, 32 and 62 ms. Read when torch is loaded.
WAITING = {"GOMP_SPINCOUNT": "10000"}


def prepare_environment() -> None:
    """Go offline and quiet, and be a good neighbour. Call before torch, diffusers or transformers are imported."""
    os.environ.update(OFFLINE)
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Python's collector of circles waits: where hundreds of thousands of objects are made to stay, it looks in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def import_libraries() -> None:
    """Import what loading any model imports: seconds of processor time that need not come after Generate."""
    from diffusers import AutoencoderKL, DiffusionPipeline, ModelMixin
    from transformers import CLIPTextModel, CLIPTokenizer

    log.debug("libraries are there: %s", (AutoencoderKL, DiffusionPipeline, ModelMixin, CLIPTextModel, CLIPTokenizer))


def software_facts() -> dict[str, str]:
    """Versions that decide the pixels, and the number of threads that sums are split among.

    Plain strings: torch's own version type would bring torch into the parent.
    """
    import torch

    return {**_versions(), "threads": str(torch.get_num_threads())}


@lru_cache
def _versions() -> dict[str, str]:
    from importlib.metadata import version

    import torch

    from engines import __version__

    return {
        "easel": __version__,
        "torch": str(torch.__version__),
        "diffusers": version("diffusers"),
        "transformers": version("transformers"),
    }


NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "could not create a primitive",
)
_highest = 0  # bytes; the kernel's mark is set back at each stage, this one never


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: CUDA has a type for it, the processor's allocators and oneDNN have sentences."""
    import torch

    said = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(each in said for each in NO_MEMORY)


def begin_peak() -> None:
    """Set the mark of the peak back to what is used now, where the system can: Linux, and cards."""
    global _highest
    import torch

    _highest = max(_highest, stage_peak())
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as switch:
            switch.write("5")  # man 5 proc: resets VmHWM
    except OSError:
        log.debug("the peak of memory cannot be set back here")


def stage_peak() -> int:
    """Peak bytes since `begin_peak`: on the card, or resident on Linux; 0 where it cannot be told apart from earlier ones."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else _resource_peak()


def held_memory() -> int:
    """Bytes that this process holds of the device's memory and could give back."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.memory_reserved()
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory() -> int:
    """Peak bytes so far: graphics memory where there is a card, else this process's resident set."""
    import torch

    if torch.cuda.is_available():
        return max(_highest, torch.cuda.max_memory_allocated())
    import psutil

    memory = psutil.Process().memory_info()
    return max(_highest, int(getattr(memory, "peak_wset", 0)) or _resource_peak() or int(memory.rss))


def _resource_peak() -> int:
    """The kernel's own high-water mark on Linux, in bytes."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return 0
