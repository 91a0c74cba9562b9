"""Memory's pages, which cost an interruption each when they are touched first: made in one go, and kept while a job runs.

All of it is Linux's and glibc's; on other systems nothing happens.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import mmap
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14 and later; Python has no name for it
LARGE_PAGES, NO_LARGE_PAGES = 14, 15  # MADV_HUGEPAGE and MADV_NOHUGEPAGE
WORTH_IT = 1 << 18  # bytes

LARGE = 2 << 20  # bytes of a large page, on processors of both usual kinds
TRIED = 16 << 20  # bytes that are made before it is judged how quickly that went
TOO_LONG = 2  # times what small pages take; a single large one that was not at hand is no reason yet

log = logging.getLogger(__name__)

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt's numbers of M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
NO_LIMIT = 2**31 - 1
MMAP_USUAL = 32 << 20  # bytes; where glibc's own adjustment ends, with twice as much for trimming


def make_pages(place: torch.Tensor) -> None:
    """Let the system make the memory of a contiguous tensor on the processor that is about to be written from end to end.

    3.4 GB that were read and converted took 1.45 CPU seconds for 1.70 (medians of three). Where it cannot be done, nothing
    happens: the pages come when they are touched.
    """
    size = place.numel() * place.itemsize
    advise = _of_the_library("madvise", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int) if size >= WORTH_IT else None
    if advise is not None:
        first = place.data_ptr() // mmap.PAGESIZE * mmap.PAGESIZE
        advise(first, place.data_ptr() + size - first, POPULATE_WRITE)


class PageMaker:
    """Makes the pages of a long stretch of memory that is written from its start to its end: large ones while they come quicker.

    Where the computer has its memory at hand, a GB in pages of 2 MB took 0.09 CPU seconds for 0.32 in pages of 4 KB. Where it
    has to get it first, as a virtual machine that gives free memory back to its host, it took 1.7 to 2.2. So the first stretch
    is made in small pages, and after each further one it is judged again. What was slow is not tried again in this process.
    """

    large_are_slow = False
    usual = float("inf")  # CPU seconds that a stretch takes in small pages, at best

    def __init__(self, memory: torch.Tensor) -> None:
        self._end = memory.data_ptr() + memory.numel() * memory.itemsize
        self._advise = _of_the_library("madvise", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        self._large = False
        self._size, self._seconds = 0, 0.0  # of what was made since it was judged last

    def make(self, place: torch.Tensor) -> None:
        """The pages of a contiguous part of the memory that is about to be written from end to end."""
        started = time.thread_time()
        make_pages(place)
        self._seconds += time.thread_time() - started
        self._size += place.numel() * place.itemsize
        if self._size >= TRIED and self._advise is not None and not PageMaker.large_are_slow:
            self._judge(place.data_ptr() + place.numel() * place.itemsize)

    def _judge(self, reached: int) -> None:
        seconds = self._seconds * TRIED / self._size
        self._size, self._seconds = 0, 0.0
        if not self._large:
            self._large, PageMaker.usual = True, min(seconds, PageMaker.usual)
            self._wish(reached, LARGE_PAGES)
        elif seconds > TOO_LONG * PageMaker.usual:
            PageMaker.large_are_slow = True
            log.debug("pages of 2 MB are used no more why=%.4f s for %.4f s in small ones", seconds, PageMaker.usual)
            self._wish(reached, NO_LARGE_PAGES)

    def _wish(self, reached: int, wish: int) -> None:
        first = -(-reached // LARGE) * LARGE
        if self._advise is not None and first < self._end:
            self._advise(first, self._end - first, wish)


@contextmanager
def pages_kept() -> Iterator[None]:
    """What is freed inside is used again for what comes next, and goes back to the system at the end.

    Otherwise the allocator gives every large activation's memory back at once, and the next one's is made anew, page by page.
    Stable Diffusion 1.5 at 256 pixels, float32, one thread: a call of the UNet took 4.5 CPU seconds for 5.2 and 118 MB above
    its weights for 245, a decode 6.0 CPU seconds for 6.7.
    """
    tune = _of_the_library("mallopt", ctypes.c_int, ctypes.c_int)
    if tune is None:
        yield
        return
    tune(MMAP_THRESHOLD, NO_LIMIT)
    tune(TRIM_THRESHOLD, NO_LIMIT)
    try:
        yield
    finally:
        tune(MMAP_THRESHOLD, MMAP_USUAL)
        tune(TRIM_THRESHOLD, 2 * MMAP_USUAL)
        give_pages_back()


def give_pages_back() -> None:
    """What the allocator holds and nobody uses goes back to the system: after Stable Diffusion 1.5 was loaded 140 MB did."""
    trim = _of_the_library("malloc_trim", ctypes.c_size_t)
    if trim is not None:
        trim(0)


@functools.cache
def _of_the_library(name: str, *arguments: type) -> Callable[..., int] | None:
    """A function of Linux's C library; None on other systems, and where the library has no such one."""
    if sys.platform != "linux":
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return None
    found.argtypes, found.restype = arguments, ctypes.c_int  # pyright: ignore
    return found
