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
