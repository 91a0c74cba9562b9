"""The one description of the bundle; the specs name a backend and nothing else. Runs inside PyInstaller."""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]

import collect  # noqa: E402 - the path above comes first
import trims  # noqa: E402
from PyInstaller.building.api import COLLECT, EXE, PYZ  # noqa: E402
from PyInstaller.building.build_main import Analysis  # noqa: E402
from PyInstaller.utils.hooks import collect_data_files, copy_metadata  # noqa: E402

WINDOWS = sys.platform == "win32"
# Packages that open files of their own beside their modules.
WITH_DATA = ("gradio", "gradio_client", "safehttpx", "groovy", "hf_gradio")
# Their sources are read while they run: transformers and diffusers look into their own files for the lists of classes.
SOURCES = dict.fromkeys(("transformers", "diffusers", "accelerate"), "pyz+py")
# The tools that make the bundle are no part of it.
TOOLS = {"pip", "pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "uv", "setuptools", "wheel"}
EXCLUDED = ("tkinter", "IPython", "pytest", "matplotlib", "pip", "uv", "gradio.test_data")


def make(backend: str) -> Any:
    """Analyse, trim and collect the bundle for one backend into the folder `easel`."""
    found = Analysis(
        [str(ROOT / "packaging" / "entry.py")],
        pathex=[str(ROOT)],
        hiddenimports=hidden_imports(),
        datas=data_files(),
        excludes=[*EXCLUDED, *collect.never(), *collect.left_out("diffusers"), *collect.left_out("transformers")],
        module_collection_mode={**SOURCES, "gradio": "pyz"},
    )
    found.binaries, found.datas = trims.trim(list(found.binaries), list(found.datas), backend)
    program = EXE(
        PYZ(found.pure),
        found.scripts,
        [],
        exclude_binaries=True,
        name="easel",
        icon=str(ROOT / "resources" / "icons" / "easel.png") if WINDOWS else None,
        # One program for the window and the command line: Windows gives it a console, which a double click must not show.
        console=True,
        hide_console="hide-early" if WINDOWS else None,
    )
    return COLLECT(program, found.binaries, found.datas, name="easel")


def hidden_imports() -> list[str]:
    """Everything that is imported by name while Easel runs."""
    ours = [*collect.modules_below("app"), *collect.modules_below("engines")]
    libraries = [*collect.hidden_imports("diffusers"), *collect.hidden_imports("transformers")]
    page = list(collect.modules_below("gradio", ("gradio.test_data",)))
    shell = ["webview.platforms.qt" if sys.platform == "linux" else "webview.platforms.edgechromium"]
    # Its packages say in stubs what lies where, so that nothing is found by looking at imports.
    edges = ["skimage.feature._canny"]
    return [*ours, *libraries, *page, *shell, *edges]


def data_files() -> list[tuple[str, str]]:
    """What is opened as a file: our own data, that of the packages, and what importlib.metadata reads."""
    ours = [(str(ROOT / name), name) for name in ("presets",)]
    ours += [(str(ROOT / name), ".") for name in ("LICENSE", "NOTICE")]
    # The screenshots are for the documentation.
    ours += [
        (str(each), f"resources/{each.name}" if each.is_dir() else "resources")
        for each in sorted((ROOT / "resources").iterdir())
        if each.name != "screenshots"
    ]
    packages = [pair for name in WITH_DATA for pair in collect_data_files(name)]
    packages += collect_data_files("skimage", includes=["*.pyi", "**/*.pyi"])
    # Versions are asked for by many libraries at import, and the licence texts have to travel anyway.
    return [*ours, *packages, *(pair for name in installed() for pair in copy_metadata(name))]


def installed() -> list[str]:
    """The distributions in this environment that the bundle consists of."""
    names = {each.metadata["Name"] for each in distributions() if each.metadata["Name"]}
    return sorted(name for name in names if name.lower() not in TOOLS)
