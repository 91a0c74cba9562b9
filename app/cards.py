"""Which graphics cards are here, asked of the drivers and of the system before torch is there. Standard library only."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS = 5.0  # nvidia-smi hangs when the driver does
QUERY = ("--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader,nounits")
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
NAMES = {"nvidia": "an NVIDIA card", "amd": "an AMD card", "intel": "an Intel card"}
DISPLAY_CLASS = "0x03"


@dataclass(frozen=True)
class Card:
    """A graphics card. `kernels` is what its programs are compiled for: "8.6" (NVIDIA) or "gfx1100" (AMD).

    `driver` and `kernels` are empty where no driver answers for the card. `driver_date` is the day on which the driver was
    built, as far as the system tells it. Memory in MiB, 0 when unknown.
    """

    vendor: str
    name: str
    driver: str = ""
    kernels: str = ""
    memory: int = 0
    driver_date: str = ""


def cards(root: Path = Path("/")) -> tuple[Card, ...]:
    """The cards, those with a driver first. `root` is where /sys and /proc lie."""
    answering = [*nvidia_cards(root), *amd_cards(root)]
    known = {card.vendor for card in answering}
    silent = [Card(vendor, NAMES[vendor]) for vendor in _vendors(root) if vendor not in known]
    return (*answering, *silent)


def nvidia_cards(root: Path = Path("/")) -> Iterator[Card]:
    """What nvidia-smi says; nothing where it is not there or the driver does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return
    try:
        done = subprocess.run((program, *QUERY), capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4:
            name, driver, kernels, memory = cells
            size = int(memory) if memory.isdigit() else 0
            # A driver from before 2021 does not know compute_cap and says so in brackets.
            known = kernels if re.fullmatch(r"\d+\.\d+", kernels) else ""
            yield Card("nvidia", name, driver, known, size, _nvidia_date(root))


def _nvidia_date(root: Path) -> str:
    """The day in /proc/driver/nvidia/version: "NVRM version: … 535.183.01  Sun May 12 19:39:15 UTC 2024"."""
    text = _read(root / "proc/driver/nvidia/version")
    found = re.search(r"\b([A-Z][a-z]{2})\s+(\d{1,2}) [\d:]{8} \S+ (\d{4})", text)
    return f"{found[2]} {found[1]} {found[3]}" if found else ""


def amd_cards(root: Path = Path("/")) -> Iterator[Card]:
    """What AMD's kernel driver says of the cards that can compute. The user's part of ROCm comes with torch."""
    if not (root / "dev/kfd").exists():
        return
    version = _read(root / "sys/module/amdgpu/version").strip() or "of the kernel"
    for node in sorted((root / "sys/class/kfd/kfd/topology/nodes").glob("*")):
        facts = dict(line.split(maxsplit=1) for line in _read(node / "properties").splitlines() if " " in line)
        target = int(facts.get("gfx_target_version", "0"))
        if target:  # a processor is a node too, with 0
            name = _read(node / "name").strip() or NAMES["amd"]
            yield Card("amd", name, version, gfx_name(target))


def gfx_name(target: int) -> str:
    """gfx90a for 90010, gfx1100 for 110000: two digits for minor and step, which the name writes in hexadecimal."""
    major, minor, step = target // 10000, target // 100 % 100, target % 100
    return f"gfx{major}{minor:x}{step:x}"


def _vendors(root: Path) -> list[str]:
    """The makers of the cards that are plugged in, whether or not a driver speaks for them."""
    if sys.platform == "win32":
        return _windows_vendors()
    found: list[str] = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        vendor = VENDORS.get(_read(device / "vendor").strip())
        if vendor and _read(device / "class").startswith(DISPLAY_CLASS) and vendor not in found:
            found.append(vendor)
    return found


def _windows_vendors() -> list[str]:
    """From the registry's list of display drivers."""
    found: list[str] = []
    if sys.platform == "win32":
        import winreg

        place = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
        for number in range(8):
            with (
                contextlib.suppress(OSError),
                winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{place}\{number:04}") as key,
            ):
                maker = str(winreg.QueryValueEx(key, "MatchingDeviceId")[0]).lower()
                found += [vendor for number, vendor in VENDORS.items() if f"ven_{number[2:]}" in maker]
    return list(dict.fromkeys(found))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
