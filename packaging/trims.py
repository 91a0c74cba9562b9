"""What a bundle goes without, and why. Sizes are those of Linux and the processor's torch, measured with `sizes.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# Libraries that others link with: Qt's, and those of the system, at the top of the bundle. Everything else is a beginning:
# plugins, Python's modules, and libpython itself, which the program opens by name.
LIBRARY = re.compile(r"^PySide6/(Qt/lib/libQt6|Qt6\w+\.dll$)|^lib(?!python)[^/]*\.so[^/]*$")

Entry = tuple[str, str, str]  # PyInstaller's: name in the bundle, file on disk, kind

# (pattern over the name in the bundle, why it can go)
DATA_TRIMS: tuple[tuple[str, str], ...] = (
    # torch_shm_manager stays: without it `import torch` fails.
    (r"^torch/bin/(?!torch_shm_manager)", "torch's own test programs, 50 MB"),
    (r"^torch/(include|share|test)/", "headers and build files for extensions in C++"),
    (r"\.(lib|a|pdb|h|hpp|cuh|cmake)$", "for compilers"),
    (r"^PySide6/(Qt/)?qml/", "QML components; the page is HTML, 28 MB"),
    (r"^PySide6/(Qt/)?translations/qtwebengine_locales/(?!en-US\.pak)", "Chromium's texts in other languages, 45 MB"),
    (r"^PySide6/(Qt/)?translations/(?!qtwebengine_locales).*\.qm$", "Qt's dialogs in other languages, 6 MB"),
    (r"^PySide6/(Qt/)?resources/(qtwebengine_devtools_resources|v8_context_snapshot\.debug)", "developer tools, 10 MB"),
    (r"^PySide6/(Qt/)?plugins/(qmltooling|sqldrivers|position|multimedia|sceneparsers|assetimporters)/", "not used"),
    (r"^PySide6/(Qt/)?plugins/platformthemes/libqgtk3", "dialogs of GTK, whose libraries come from the build machine"),
    (r"^gradio/(test_data|media_assets|_frontend_code)/", "examples, 7 MB"),
    (r"^gradio/templates/node/", "the server-side renderer, which needs Node.js and is switched off"),
    (r"\.(pyi|map)$", "for editors and debuggers"),
    (r"(^|/)(tests?|testing_data)/.*\.(npz|npy|csv|gz|json|png|mat|sav|wav|data)$", "test data"),
)
# A processor's bundle must not carry what the build machine happens to have for its card.
CPU_TRIMS = ((r"(^|/)lib(cudart|cublas|cudnn|nv|amdhip|hsa|rocm)[\w.-]*\.so", "a library for graphics cards"),)


def trim(binaries: list[Entry], datas: list[Entry], backend: str) -> tuple[list[Entry], list[Entry]]:
    """The lists without what can go."""
    rules = [pattern for pattern, _ in (*DATA_TRIMS, *(CPU_TRIMS if backend == "cpu" else ()))]
    gone = re.compile("|".join(f"(?:{rule})" for rule in rules))
    kept = [entry for entry in binaries if not gone.search(_name(entry))]
    unused = unused_libraries(kept)
    return [entry for entry in kept if _name(entry) not in unused], [e for e in datas if not gone.search(_name(e))]


def unused_libraries(binaries: Iterable[Entry]) -> set[str]:
    """Libraries that nothing in the bundle is linked with.

    PyInstaller takes all of Qt's, 96 MB too many, and what the plugins needed that were taken out, GTK for instance.
    """
    by_file = {Path(name).name: (name.replace("\\", "/"), source) for name, source, _ in binaries}
    todo = [file for file, (name, _) in by_file.items() if not LIBRARY.search(name)]
    reached: set[str] = set()
    while todo:
        file = todo.pop()
        if file not in reached:
            reached.add(file)
            todo += [needed for needed in _needs(by_file[file][1]) if needed in by_file]
    return {name for file, (name, _) in by_file.items() if file not in reached}


def _needs(source: str) -> set[str]:
    from PyInstaller.depend.bindepend import get_imports

    return {Path(name).name for name, _path in get_imports(source)}


def _name(entry: Entry) -> str:
    return entry[0].replace("\\", "/")
