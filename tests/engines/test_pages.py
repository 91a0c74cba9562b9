"""Memory's pages are made in one go, and kept while a job runs, where the system is Linux with glibc."""

from __future__ import annotations

import platform
import subprocess
import sys
import textwrap

import pytest
import torch

from app.paths import ROOT
from engines.pages import WORTH_IT, make_pages

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="the wishes are Linux's and glibc's"
)
PAGE, SIZE = 4096, 128 << 20


FUNCTIONS = f"""
import contextlib, resource
import psutil, torch
from engines.pages import make_pages, pages_kept

PAGE, SIZE = {PAGE}, {SIZE}

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def touched(size=SIZE):  # the interruptions that it takes to fill memory that is then free again
    before = faults()
    torch.ones(size, dtype=torch.uint8)
    return faults() - before

def resident():
    return psutil.Process().memory_info().rss

touched()
"""


def in_a_new_process(code: str) -> None:
    """Elsewhere the allocator may have old gaps without pages, left by other tests, that it would rather use."""
    subprocess.run([sys.executable, "-c", FUNCTIONS + textwrap.dedent(code)], cwd=ROOT, check=True, timeout=120)


def test_pages_are_there_before_they_are_written() -> None:
    in_a_new_process(
        """
        place = torch.empty(SIZE, dtype=torch.uint8)
        make_pages(place)
        before = faults()
        place.fill_(1)
        assert faults() - before < SIZE / PAGE / 10
        """
    )


def test_short_and_empty_places_are_left_alone() -> None:
    for count in (0, WORTH_IT - 1):
        make_pages(torch.empty(count, dtype=torch.uint8))


PAGES = """
import types
from engines import pages

def made(seconds):  # in stretches that take so long by a clock of our own; returns how often large pages were wished for, and not
    memory = torch.empty(len(seconds) * pages.TRIED, dtype=torch.uint8)
    clock, wishes = iter([each for after in seconds for each in (0.0, after)]), []
    pages.time = types.SimpleNamespace(thread_time=lambda: next(clock))
    maker = pages.PageMaker(memory)
    maker._advise = lambda start, size, wish: wishes.append((wish, (memory.data_ptr() + len(memory) - start) // pages.TRIED))
    for place in memory.split(pages.TRIED):
        maker.make(place)
    return wishes
"""


def test_large_pages_are_made_while_they_come_quicker() -> None:
    """After the first stretch of small ones, and not any more when a stretch took twice as long; then never again."""
    in_a_new_process(
        PAGES
        + """
large, small = pages.LARGE_PAGES, pages.NO_LARGE_PAGES
assert made([3.0, 1.0, 5.9, 1.0]) == [(large, 2)]
assert made([3.0, 1.0, 6.1, 1.0, 1.0]) == [(large, 3), (small, 1)]
assert made([3.0, 1.0, 1.0]) == []
"""
    )


def test_a_long_stretch_keeps_what_is_written_into_it() -> None:
    in_a_new_process(
        """
        from engines.pages import PageMaker
        memory = torch.empty(SIZE, dtype=torch.uint8)
        maker, late = PageMaker(memory), 0
        for number, place in enumerate(memory.split(1_000_000)):
            maker.make(place)
            before = faults()
            place.fill_(number % 251)
            late += faults() - before
        assert late < SIZE / PAGE / 10
        for number, place in enumerate(memory.split(1_000_000)):
            assert bool((place == number % 251).all())
        """
    )


def test_what_is_freed_is_used_again_and_goes_back_at_the_end() -> None:
    in_a_new_process(
        """
        before = resident()
        with pages_kept():
            touched()
            assert resident() > before + SIZE / 2, "it is kept"
            assert touched(SIZE // 2) < SIZE / PAGE / 10, "and used again"
        assert resident() < before + SIZE / 2, "nothing is kept when the job is over"
        """
    )


def test_an_error_gives_the_pages_back_too() -> None:
    in_a_new_process(
        """
        before = resident()
        with contextlib.suppress(MemoryError), pages_kept():
            touched()
            assert resident() > before + SIZE / 2
            raise MemoryError
        assert resident() < before + SIZE / 2
        """
    )
