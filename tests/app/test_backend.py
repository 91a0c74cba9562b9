"""Which torch suits which computer: cards as drivers and kernels name them, and the words about a choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.backend import choose, runs_on, suits, table
from app.cards import Card, amd_cards, cards, gfx_name
from engines.errors import ResourceError
from engines.placement import check_kernels

SMI = """#!/bin/sh
case "$*" in *compute_cap*) cat "$(dirname "$0")/answer" ;; *) exit 1 ;; esac
"""


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root folder without cards, and a path on which a driver's program can be put."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    return tmp_path


def nvidia(root: Path, answer: str, built: str = "") -> None:
    (root / "bin" / "answer").write_text(answer)
    (root / "bin" / "nvidia-smi").write_text(SMI)
    (root / "bin" / "nvidia-smi").chmod(0o755)
    write(root / "proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {built}\n")


def amd(root: Path, target: int) -> None:
    write(root / "dev/kfd", "")
    write(root / "sys/module/amdgpu/version", "6.10.5\n")
    write(root / "sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 8\ngfx_target_version 0\n")
    write(root / "sys/class/kfd/kfd/topology/nodes/1/properties", f"cpu_cores_count 0\ngfx_target_version {target}\n")


def plugged_in(root: Path, vendor: str) -> None:
    write(root / "sys/bus/pci/devices/0000:01:00.0/vendor", f"{vendor}\n")
    write(root / "sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_card_with_a_new_driver_gets_cuda(computer: Path) -> None:
    nvidia(computer, "NVIDIA GeForce RTX 4070, 581.29, 8.9, 12282\n", "581.29  Tue Sep  2 03:10:11 UTC 2025")
    found = cards(computer)
    assert found == (Card("nvidia", "NVIDIA GeForce RTX 4070", "581.29", "8.9", 12282, "2 Sep 2025"),)
    choice = choose(found, "linux")
    assert choice.backend == "cuda" and "RTX 4070" in choice.why and "581.29" in choice.why and not choice.way_out


def test_an_old_driver_gets_the_processor_and_is_told_its_age(computer: Path) -> None:
    nvidia(computer, "NVIDIA GeForce RTX 3060, 535.183.01, 8.6, 12288\n", "535.183.01  Sun May 12 19:39:15 UTC 2024")
    choice = choose(cards(computer), "linux")
    assert choice.backend == "cpu"
    assert "535.183.01 of 12 May 2024" in choice.why and "580" in choice.why
    assert "newer driver" in choice.way_out


def test_an_old_card_gets_the_processor_with_the_numbers(computer: Path) -> None:
    nvidia(computer, "NVIDIA GeForce GTX 1080, 580.82.07, 6.1, 8192\n")
    choice = choose(cards(computer), "linux")
    assert choice.backend == "cpu" and "6.1" in choice.why and "7.5" in choice.why and not choice.way_out


def test_the_card_that_works_counts_when_there_are_two(computer: Path) -> None:
    nvidia(computer, "NVIDIA GeForce GTX 750, 580.82.07, 5.0, 2048\nNVIDIA RTX A4000, 580.82.07, 8.6, 16376\n")
    choice = choose(cards(computer), "linux")
    assert choice.backend == "cuda" and "A4000" in choice.why


def test_a_card_without_a_driver_is_named(computer: Path) -> None:
    plugged_in(computer, "0x10de")
    choice = choose(cards(computer), "linux")
    assert choice.backend == "cpu" and "no driver answers" in choice.why and "install the driver" in choice.way_out


def test_a_driver_that_fails_is_no_driver(computer: Path) -> None:
    plugged_in(computer, "0x10de")
    nvidia(computer, "")
    (computer / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA-SMI has failed >&2\nexit 9\n")
    assert choose(cards(computer), "linux").backend == "cpu"


@pytest.mark.parametrize(("target", "name", "backend"), [(110000, "gfx1100", "rocm"), (90012, "gfx90c", "cpu")])
def test_amd_is_asked_for_the_name_of_its_kernels(computer: Path, target: int, name: str, backend: str) -> None:
    amd(computer, target)
    (card,) = amd_cards(computer)
    assert (card.kernels, card.driver) == (name, "6.10.5")
    assert choose([card], "linux").backend == backend
    assert choose([card], "win32").backend == "cpu"  # there is no such torch for Windows


def test_no_card_at_all(computer: Path) -> None:
    plugged_in(computer, "0x8086")
    choice = choose(cards(computer), "linux")
    assert choice.backend == "cpu" and "no graphics card" in choice.why


@pytest.mark.parametrize(
    ("card", "runs"),
    [("7.5", True), ("8.6", True), ("8.9", True), ("12.1", True), ("13.0", True), ("7.0", False), ("9.0", True)],
)
def test_which_programs_run_on_which_card(card: str, runs: bool) -> None:
    assert runs_on(card, table()["builds"]["cuda"]["kernels"]) is runs


def test_a_torch_that_does_not_suit_is_named_and_one_for_processors_never_is() -> None:
    old = Card("nvidia", "GTX 1080", "580.82", "6.1")
    wrong = suits("2.13.0+cu130", [old], "linux")
    assert wrong is not None and wrong.code == "gpu-no-kernels"
    assert "GTX 1080" in ResourceError(wrong.code, **wrong.values).message.cause
    assert suits("2.13.0+cpu", [old], "linux") is None
    assert suits("2.13.0", [old], "linux") is None
    assert suits("2.13.0+cu130", [old, Card("nvidia", "RTX 4070", "581.1", "8.9")], "linux") is None
    behind = suits("2.13.0+cu130", [Card("nvidia", "RTX 4070", "550.1", "8.9")], "linux")
    assert behind is not None and behind.code == "gpu-driver-old"


def test_the_worker_says_it_before_torch_fails() -> None:
    built = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]
    check_kernels("RTX 4090", (8, 9), built)
    check_kernels("something new", (13, 0), built)
    check_kernels("Radeon", (11, 0), ["gfx1100"])
    with pytest.raises(ResourceError) as refused:
        check_kernels("GTX 1080", (6, 1), built)
    assert "7.5" in refused.value.message.cause and refused.value.message.fixes


def test_names_of_amd() -> None:
    assert [gfx_name(number) for number in (90010, 90402, 100302, 110501)] == ["gfx90a", "gfx942", "gfx1032", "gfx1151"]
