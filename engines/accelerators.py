"""Ways to run a denoiser faster, by name, and whether they are possible here; nothing is imported to find out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from enum import StrEnum
from pathlib import Path

from engines.errors import UserError

COMPILERS = ("g++", "clang++")  # what torch.compile looks for on a processor


class Accelerator(StrEnum):
    """How the denoiser's steps are computed."""

    NONE = "none"  # as torch runs them
    OPENVINO = "openvino"  # the whole denoiser as one graph, by OpenVINO: processors
    COMPILE = "compile"  # its repeated blocks compiled by torch.compile


# What a step costs in parts of a plain one, for estimates before anything was measured; see docs/accelerators.md.
STEP_COST = {Accelerator.NONE: 1.0, Accelerator.OPENVINO: 0.7, Accelerator.COMPILE: 1.0}


def openvino_possible() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def compiler_there() -> bool:
    """Whether torch.compile can build what it writes: a C++ compiler and Python's own headers. Never on Windows."""
    if os.name == "nt":
        return False
    compilers = (os.environ.get("CXX") or "", *COMPILERS)
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return headers.is_file() and any(shutil.which(each) for each in compilers if each)


def check_accelerator(wanted: Accelerator) -> None:
    """Raises `UserError` with the way to install what `wanted` needs and this computer lacks."""
    if wanted is Accelerator.OPENVINO and not openvino_possible():
        raise UserError("accelerator-needs-extra")
    if wanted is Accelerator.COMPILE and not compiler_there():
        raise UserError("accelerator-no-compiler")


def possible_accelerators() -> tuple[Accelerator, ...]:
    """Those that have all that they need here; the plain way is always among them."""
    there = {Accelerator.OPENVINO: openvino_possible, Accelerator.COMPILE: compiler_there}
    return tuple(each for each in Accelerator if each not in there or there[each]())
