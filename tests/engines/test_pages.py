"""Memory's pages are made in one go, and kept while a job runs, where the system is Linux with glibc."""

from __future__ import annotations

import platform
import sys

import psutil
import pytest
import torch

from engines.pages import WORTH_IT, make_pages, pages_kept

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="the wishes are Linux's and glibc's"
)
PAGE, SIZE = 4096, 128 << 20


def faults() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def touched(size: int = SIZE) -> int:
    """The interruptions that it takes to fill memory that is then free again."""
    before = faults()
    torch.ones(size, dtype=torch.uint8)
    return faults() - before


def resident() -> int:
    return psutil.Process().memory_info().rss


def test_pages_are_there_before_they_are_written() -> None:
    place = torch.empty(SIZE, dtype=torch.uint8)
    make_pages(place)
    before = faults()
    place.fill_(1)
    assert faults() - before < SIZE / PAGE / 10


def test_short_and_empty_places_are_left_alone() -> None:
    for count in (0, WORTH_IT - 1):
        make_pages(torch.empty(count, dtype=torch.uint8))


def test_what_is_freed_is_used_again_and_goes_back_at_the_end() -> None:
    before = resident()
    with pages_kept():
        touched()
        assert resident() > before + SIZE / 2, "it is kept"
        assert touched(SIZE // 2) < SIZE / PAGE / 10, "and used again"
    assert resident() < before + SIZE / 2, "nothing is kept when the job is over"


def test_an_error_gives_the_pages_back_too() -> None:
    before = resident()
    with pytest.raises(MemoryError), pages_kept():
        touched()
        raise MemoryError
    assert resident() < before + SIZE / 2
